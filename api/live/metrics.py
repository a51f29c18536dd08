"""The metrics of the live view of this process."""

from prometheus_client import Counter, Gauge

FOLLOWERS = Gauge("workflow_orchestrator_live_clients", "Clients that follow the live view now")
EVENTS = Counter(
    "workflow_orchestrator_live_events_total",
    "Events of all tenants that the live view has received",
)
INTERRUPTIONS = Counter(
    "workflow_orchestrator_live_interruptions_total",
    "How often events may have been missed, and every client was asked to read again",
)
RESYNCS = Counter(
    "workflow_orchestrator_live_resyncs_total", "How often a client was asked to read again"
)
