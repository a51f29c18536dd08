"""Operations, counted by the worker that runs them."""

from prometheus_client import Histogram

from blocks.observability.metrics import SECONDS_OF_WORK

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
