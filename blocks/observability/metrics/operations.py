"""Operations: counted by the worker that runs them, and what is seen of their work."""

from prometheus_client import Gauge, Histogram

from blocks.observability.metrics import SECONDS_OF_WORK

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
