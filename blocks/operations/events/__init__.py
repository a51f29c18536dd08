"""Events of the platform: posted, entered in the log, and what each starts.

Contract: whatever way an event comes and however often, it is entered once and starts each of its
operations once: both ids are computed from the event's. Whoever takes one in confirms it when both
are durable.
"""
