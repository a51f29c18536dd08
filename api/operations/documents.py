"""The bodies of operations, as the platform's services know them."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from api.http.documents import Document
from blocks.contracts.events import JsonObject
from blocks.contracts.operations import Operation
from blocks.contracts.records.operations import EventRecord
from blocks.contracts.states import ExecutionStatus
from blocks.operations.runs import Run as RunOfOperation
from blocks.operations.runs import RunStatus
from blocks.operations.schedules import is_active, why_inactive
from blocks.settings import Settings


class OperationName(Document, frozen=True, kw_only=True):
    """An operation, by name."""

    id: str
    name: str
    schedule: str | None = None
    """Its cron line; none: it has no schedule."""


class OperationStep(Document, frozen=True, kw_only=True):
    """A step of an operation."""

    id: str
    name: str


class OperationDetails(OperationName, frozen=True, kw_only=True):
    """An operation: what starts it, and its steps."""

    description: str
    is_scheduled: bool
    """Whether its schedule is on, by the settings."""
    inactive: str | None = None
    """Why its schedule is not on."""
    triggers: list[str]
    """Types of events that start it."""
    steps: list[OperationStep]


class OperationSchedule(Document, frozen=True, kw_only=True):
    """A schedule that is on."""

    workflow_id: str
    schedule: str
    time_zone: str


class OperationList(Document, frozen=True, kw_only=True):
    """All operations; `schedules` are those that are on."""

    workflows: list[OperationDetails]
    schedules: list[OperationSchedule]


class OperationsHealth(Document, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["healthy"]
    uptime: float
    """Of this process, in seconds."""
    workflows: list[OperationName]
    timestamp: datetime


class Run(Document, frozen=True, kw_only=True):
    """One run of an operation."""

    run_id: str
    workflow_id: str
    execution_id: str
    status: RunStatus
    """A run that waits for a worker is `running`, one that was cancelled has `failed`."""
    execution_status: ExecutionStatus
    started_at: datetime
    completed_at: datetime | None = None
    current_step: str | None = None
    """The step at work, or the one that failed."""
    step_results: JsonObject
    """Of the steps that have ended."""
    error: str | None = None


class RunAnswer(Document, frozen=True, kw_only=True):
    """The run is durable, and is carried out whatever happens now."""

    success: bool
    result: Run


class OperationSummary(OperationName, frozen=True, kw_only=True):
    """An operation, by name and number of steps."""

    steps_count: int


class OperationState(Document, frozen=True, kw_only=True):
    """An operation and its last ten runs, oldest first."""

    workflow: OperationSummary
    recent_runs: list[Run]
    is_scheduled: bool


class PlatformEvent(Document, frozen=True, kw_only=True):
    """An event of the log."""

    id: str
    type: str
    payload: Any
    timestamp: datetime
    source: str


class EventPage(Document, frozen=True, kw_only=True):
    """Newest first; `continuation`, when there is one, asks for the next page."""

    events: list[PlatformEvent]
    continuation: str | None = None


class NewEvent(Document, frozen=True, kw_only=True):
    """The event to post."""

    event_type: str
    payload: Any = msgspec.field(default_factory=dict)
    id: str | None = None
    """Chosen by the caller: posted twice under one id, it counts once."""


class EventPosted(Document, frozen=True, kw_only=True):
    """The event is durable; the log has it, and what it starts is started, as soon as a listener
    has read it.
    """

    success: bool
    event_type: str
    id: str


class OperationFigures(Document, frozen=True, kw_only=True, omit_defaults=False):
    """Of all runs that are on record; the average is of the last hundred that completed."""

    total_runs: int
    successful_runs: int
    failed_runs: int
    average_duration_ms: float
    last_run_at: datetime | None
    last_status: RunStatus | None


class MemoryUsage(Document, frozen=True, kw_only=True):
    """Of this process, in bytes."""

    rss: int


class OperationsStats(Document, frozen=True, kw_only=True):
    """Figures of every operation."""

    stats: dict[str, OperationFigures]
    uptime: float
    """Of this process, in seconds."""
    memory_usage: MemoryUsage
    timestamp: datetime


Labels = dict[str, str]


class Alert(Document, frozen=True, kw_only=True):
    """One alert, as Alertmanager sends it."""

    status: str = "firing"
    labels: Labels = msgspec.field(default_factory=dict)
    annotations: Labels = msgspec.field(default_factory=dict)
    fingerprint: str = ""


class Alerts(Document, frozen=True, kw_only=True):
    """A group of alerts."""

    alerts: Annotated[list[Alert], msgspec.Meta(max_length=1000)]


class AlertsTaken(Document, frozen=True, kw_only=True):
    """Every alert was forwarded, or had been before."""

    success: bool
    processed: int
    total: int


class RunHistory(Document, frozen=True, kw_only=True):
    """The newest runs of all operations, oldest first."""

    history: list[Run]
    timestamp: datetime


def name_of(operation: Operation, settings: Settings) -> OperationName:
    return OperationName(
        id=operation.id, name=operation.title, schedule=cron_of(operation, settings)
    )


def cron_of(operation: Operation, settings: Settings) -> str | None:
    return settings.operations.schedule_of(operation).cron if operation.cron else None


def details_of(operation: Operation, settings: Settings) -> OperationDetails:
    return OperationDetails(
        **msgspec.structs.asdict(name_of(operation, settings)),
        description=operation.description,
        is_scheduled=is_active(operation, settings),
        inactive=why_inactive(operation, settings) if operation.cron else None,
        triggers=settings.operations.events_of(operation),
        steps=[OperationStep(id=step.id, name=step.title) for step in operation.steps],
    )


def run_of(run: RunOfOperation) -> Run:
    execution = run.execution
    return Run(
        run_id=run.id,
        workflow_id=execution.workflow,
        execution_id=execution.id,
        status=run.status,
        execution_status=execution.status,
        started_at=run.started_at,
        completed_at=execution.completed_at,
        current_step=run.current_step,
        step_results=run.step_results,
        error=execution.error,
    )


def event_of(event: EventRecord) -> PlatformEvent:
    return PlatformEvent(
        id=event.event_id,
        type=event.event_type,
        payload=event.payload,
        timestamp=event.occurred_at,
        source=event.source,
    )
