"""Operations: counted by the worker that runs them, and what is seen of their work."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from blocks.observability.metrics import SECONDS_OF_WORK, known

ANALYSIS_SECONDS = Histogram(
    "workflow_orchestrator_operation_analysis_seconds",
    "Seconds that a step of sales-operations waited for Inngest to end its function",
    ["step"],
    buckets=SECONDS_OF_WORK,
)
TURN_SECONDS = Histogram(
    "workflow_orchestrator_operation_turn_seconds",
    "Seconds that a run of an operation waited for an earlier run of it to end",
    ["workflow"],
    buckets=SECONDS_OF_WORK,
)

BACKUP_VERIFIED = Gauge(
    "workflow_orchestrator_backup_verified_timestamp_seconds",
    "When the newest verified backup of a database was taken; 0: there is none",
    ["database"],
)

BACKUP_LATE_AFTER = Gauge(
    "workflow_orchestrator_backup_late_after_seconds",
    "From this age on the newest verified backup of a database counts as late",
    ["database"],
)

_OF_ALERTS = CollectorRegistry()

ALERTS_RECEIVED = Counter("alerts_received", "Alerts that came", registry=_OF_ALERTS)
ALERTS_FORWARDED = Counter(
    "alerts_forwarded", "Alerts whose message was taken, or need not be sent", registry=_OF_ALERTS
)
ALERTS_FAILED = Counter(
    "alerts_failed", "Alerts that nothing took; they come again", registry=_OF_ALERTS
)
ALERTS_BY_SEVERITY = Counter(
    "alerts_by_severity", "Alerts by their severity", ["severity"], registry=_OF_ALERTS
)
"""These four are at `/api/metrics` alone, by the names that the platform's dashboards have."""


def alert_received(severity: str) -> None:
    ALERTS_RECEIVED.inc()
    ALERTS_BY_SEVERITY.labels(known(severity, ("critical", "warning", "info"))).inc()


def alert_counts() -> str:
    """What this process has counted of alerts, in the format of Prometheus."""
    return generate_latest(_OF_ALERTS).decode()
