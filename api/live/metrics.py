"""The metrics of the live view of this process."""

from prometheus_client import Counter, Gauge

FOLLOWERS = Gauge("workflow_orchestrator_live_clients", "Clients that follow the live view now")
HEARD = Counter("workflow_orchestrator_live_events_total", "Events of all tenants that the live view has heard")
INTERRUPTIONS = Counter(
    "workflow_orchestrator_live_interruptions_total",
    "How often events may have been missed, and every client was told to read again",
)
RESYNCS = Counter("workflow_orchestrator_live_resyncs_total", "How often a client was told to read again")
