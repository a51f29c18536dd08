"""Events of operations, the platform's maintenance workflows; all under the system tenant.

Fields are those of the platform's operations service, which calls them `workflow.started`,
`workflow.step.started` and so on: the types here have `operation` in them, because
`workflow.step.completed` is of an opportunity analysis.
"""

from typing import ClassVar

from blocks.contracts.events.base import EventData, JsonObject, Uuid
from blocks.contracts.reading.moments import Moment


class OperationStarted(EventData, frozen=True, kw_only=True):
    """A worker has begun a run."""

    event_type: ClassVar[str] = "workflow.operation.started"
    run_id: str
    workflow_id: str
    """The operation's name, as `log-rotation`."""
    workflow_name: str
    execution_id: Uuid


class OperationStepStarted(EventData, frozen=True, kw_only=True):
    """A worker has begun a step of a run."""

    event_type: ClassVar[str] = "workflow.operation_step.started"
    run_id: str
    workflow_id: str
    step_id: str
    step_name: str


class OperationStepCompleted(EventData, frozen=True, kw_only=True):
    """A step of a run was done, or skipped: then `result` has `skipped` and `reason`."""

    event_type: ClassVar[str] = "workflow.operation_step.completed"
    run_id: str
    workflow_id: str
    step_id: str
    result: JsonObject
    """Its figures; of more than 64 KiB, those that are numbers and texts of up to 1,000 characters.
    """


class OperationStepFailed(EventData, frozen=True, kw_only=True):
    """A step of a run failed after all its attempts."""

    event_type: ClassVar[str] = "workflow.operation_step.failed"
    run_id: str
    workflow_id: str
    step_id: str
    error: str


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


RUN_EVENTS: tuple[type[EventData], ...] = (
    OperationStarted,
    OperationStepStarted,
    OperationStepCompleted,
    OperationStepFailed,
    OperationCompleted,
    OperationFailed,
)
"""In the order of a run."""
