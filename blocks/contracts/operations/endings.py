"""How the end of an operation is announced, and what its run is called outside."""

from uuid import UUID

from blocks.contracts import events
from blocks.contracts.records import ExecutionRecord

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def run_id_of(execution: ExecutionRecord) -> str:
    """`run_<ms>_<9 base36>`, as the platform's operations service names runs; computed."""
    milliseconds = int(execution.created_at.timestamp() * 1000)
    return f"run_{milliseconds}_{_base36(UUID(execution.id).int, digits=9)}"


def terminal_event(execution: ExecutionRecord) -> events.EventData:
    """The event of its end: completed, or failed (cancelled included)."""
    assert execution.completed_at is not None
    begun = execution.started_at or execution.created_at
    if execution.status == "completed":
        return events.OperationCompleted(
            run_id=run_id_of(execution),
            workflow_id=execution.workflow,
            execution_id=execution.id,
            duration=round((execution.completed_at - begun).total_seconds() * 1000),
            timestamp=execution.completed_at,
        )
    return events.OperationFailed(
        run_id=run_id_of(execution),
        workflow_id=execution.workflow,
        execution_id=execution.id,
        error=execution.error or f"the run was {execution.status}",
        failed_step=execution.failed_step,
        timestamp=execution.completed_at,
    )


def _base36(number: int, *, digits: int) -> str:
    """The last digits of the number."""
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text
