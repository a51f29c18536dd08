"""Events of operations, the platform's maintenance workflows."""

from typing import ClassVar

from blocks.contracts.events.base import EventData, Uuid
from blocks.contracts.reading.moments import Moment


class OperationCompleted(EventData, frozen=True, kw_only=True):
    """Every step of a run was done, or skipped for a reason; published under the system tenant."""

    event_type: ClassVar[str] = "workflow.operation.completed"
    run_id: str
    workflow_id: str
    """The operation's name, as `log-rotation`."""
    execution_id: Uuid
    duration: int
    """Milliseconds."""
    timestamp: Moment


class OperationFailed(EventData, frozen=True, kw_only=True):
    """A step of a run failed after all its attempts, or the run was cancelled."""

    event_type: ClassVar[str] = "workflow.operation.failed"
    run_id: str
    workflow_id: str
    """The operation's name, as `log-rotation`."""
    execution_id: Uuid
    error: str
    failed_step: str | None = None
    timestamp: Moment
