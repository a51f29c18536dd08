"""An opportunity analysis in the form the platform's older clients know."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from api.documentation.choices import add_choice
from api.executions.documents import ExecutionStep, steps_of
from api.http.documents import Document
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.contracts.states import ExecutionStatus, StepStanding

WorkflowStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
add_choice("WorkflowStatus", WorkflowStatus)
WorkflowStepStatus = Literal["pending", "running", "completed", "failed"]


class WorkflowStep(Document, frozen=True, kw_only=True):
    """One of the four steps of an analysis."""

    step_id: str
    workflow_id: str
    step_type: str
    status: WorkflowStepStatus
    result: JsonObject | None = None
    error: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


class Workflow(Document, frozen=True, kw_only=True):
    """One analysis; one that waits for a person is `running`. `startedAt` is `createdAt` until it
    has started.
    """

    workflow_id: str
    tenant_id: str
    opportunity_id: str
    status: WorkflowStatus
    steps: list[WorkflowStep]
    started_at: datetime
    created_at: datetime
    updated_at: datetime
    results: JsonObject | None = None
    completed_at: datetime | None = None


class WorkflowList(Document, frozen=True, kw_only=True):
    """The newest analyses of an opportunity, at most 100; `total` is how many are listed."""

    workflows: list[Workflow]
    total: int


class RetryInitiated(Document, frozen=True, kw_only=True, omit_defaults=False):
    """The analysis is under way again."""

    workflow_id: str
    status: WorkflowStatus = "running"
    message: str = "Workflow retry initiated"


def workflow_of(execution: ExecutionRecord, records: Sequence[StepRecord]) -> Workflow:
    return Workflow(
        workflow_id=execution.id,
        tenant_id=execution.tenant_id,
        opportunity_id=execution.subject_on_wire,
        status=_STATUS[execution.status],
        steps=[_step(execution, step) for step in steps_of(execution, records)],
        results=execution.results,
        started_at=execution.started_at or execution.created_at,
        completed_at=execution.completed_at,
        created_at=execution.created_at,
        updated_at=execution.updated_at,
    )


def _step(execution: ExecutionRecord, step: ExecutionStep) -> WorkflowStep:
    skipped = step.status == "skipped"
    return WorkflowStep(
        step_id=step.step_id,
        workflow_id=execution.id,
        step_type=step.step,
        status=_STEP_STATUS[step.status],
        result=step.result,
        error="The workflow ended before this step did" if skipped else step.error,
        started_at=execution.started_at,
        completed_at=step.completed_at,
    )


_STATUS: Mapping[ExecutionStatus, WorkflowStatus] = {
    "pending": "pending",
    "running": "running",
    "awaiting_approval": "running",
    "waiting": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "unreported": "failed",
}

# The older form has no word for a step that its workflow did not wait for.
_STEP_STATUS: Mapping[StepStanding, WorkflowStepStatus] = {
    "pending": "pending",
    "running": "running",
    "completed": "completed",
    "failed": "failed",
    "skipped": "failed",
}
