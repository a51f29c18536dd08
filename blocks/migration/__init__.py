"""What the older orchestrator left becomes records of ours: all by `orchestrator migrate`, or one
that is retried.

Contract: idempotent and resumable; nothing is deleted, no document of a workflow is changed, and
an approval keeps every field that the older service reads.
Pitfalls: a converted execution that had ended was announced by the older service, and is not
announced again; one that is closed here is.
"""
