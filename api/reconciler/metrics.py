"""The reconciler's metrics; the kinds of drift are few and fixed, so the labels are, too."""

from prometheus_client import Counter, Gauge

REPAIRS = Counter(
    "workflow_orchestrator_reconciler_repairs_total",
    "What the reconciler of this process has repaired",
    ["kind"],
)
LAST_LOOK = Gauge(
    "workflow_orchestrator_reconciler_last_look_timestamp_seconds",
    "When the reconciler of this process last looked for drift of this kind; of several "
    "processes only the leader looks",
    ["kind"],
)
