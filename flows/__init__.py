"""What runs inside Prefect: one flow per workflow, named like its file and its deployment.

Purpose: a flow is the table of contents of the business process; steps are Prefect tasks, visible
in the UI. Contract: a flow takes `tenant_id` and `execution_ids` (or, from a person, what to open),
reads everything else from the records, and may be run again from the top at any moment: ids are
computed and answers create-once records, so a second run sends nothing new. It returns the state
that follows from the records. Pitfalls: dispatchers pass no payloads as flow parameters (Prefect
renders them on its server); no blocking call (many runs share one event loop); a failed state is
returned through `reported`, or Prefect tries the run again; results are not persisted in Prefect,
because the records are the truth.
"""
