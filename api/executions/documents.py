"""An execution as a tenant sees it, and what a tenant sends about one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from api.http.documents import Document
from api.http.lists import ListPage
from blocks.claims.steps import PhaseStep
from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.contracts.states import ExecutionStatus, StepStanding
from blocks.contracts.workflows import known_steps, startable
from blocks.executions.steps import by_step
from blocks.settings import Prefect
from blocks.settings.links import flow_run_url


class NewExecution(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The workflow to run, and its subject."""

    workflow: Annotated[str, msgspec.Meta(min_length=1, max_length=200, examples=list(startable()))]
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]
    """What it is about: for an analysis, the opportunity's id."""
    input: dict[str, Any] = msgspec.field(default_factory=dict)
    """The same as the `data` of an event, e.g. `{"amount": 1500000}`."""
    priority: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    """Within the tenant, a higher one goes first."""


class Cancellation(Document, frozen=True, kw_only=True):
    """Why an execution is cancelled."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] = "cancelled by request"


class ExecutionTrigger(Document, frozen=True, kw_only=True):
    """An event that caused the execution, or was absorbed by it while it was pending."""

    event_id: str
    event_type: str
    received_at: datetime


class ExecutionStep(Document, frozen=True, kw_only=True):
    """One part of an execution."""

    step: str
    step_id: str
    status: StepStanding
    claim_id: str | None = None
    """Of a journey's phases 5 to 7: whose phase it is."""
    attempts: int | None = None
    """Of a journey's phase: how often its present round was begun."""
    started_at: datetime | None = None
    duration_ms: int | None = None
    completed_at: datetime | None = None
    result: JsonObject | None = None
    error: str | None = None
    error_code: str | None = None


class ExecutionEnd(Document, frozen=True, kw_only=True):
    """How the execution had ended before it was retried; `waiting`: it was at rest, and one of its
    steps had failed.
    """

    status: ExecutionStatus
    retried_at: datetime
    retried_by: str | None = None
    completed_at: datetime | None = None
    error: str | None = None
    error_code: str | None = None
    failed_step: str | None = None


class ExecutionRefusedAnswer(Document, frozen=True, kw_only=True):
    """An answer to one of its steps that was refused; the dead letter has it whole, and can be
    corrected there.
    """

    step: str
    code: str
    reason: str
    event_id: str
    dead_letter_id: str
    at: datetime


class ExecutionSummary(Document, frozen=True, kw_only=True):
    """One piece of work of a workflow for one subject, without its results."""

    id: str
    tenant_id: str
    workflow: str
    subject: str
    status: ExecutionStatus
    trace_id: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None
    error_code: str | None = None
    failed_step: str | None = None
    missing_steps: tuple[str, ...] = ()
    """Steps that gave no result and were not needed for one."""
    retries: int = 0
    """How often it was retried after it had failed or had been cancelled."""
    rerun_of: str | None = None
    """The execution that this one repeats, with the same subject and input."""
    definition_version: int | None = None
    """The version of the tenant's definition that it started with, and keeps; 0: there was none.
    Not while pending.
    """


class Execution(ExecutionSummary, frozen=True, kw_only=True):
    """One piece of work of a workflow for one subject, with where each step stands."""

    triggers: list[ExecutionTrigger]
    steps: list[ExecutionStep]
    results: JsonObject | None = None
    previous_outcomes: tuple[ExecutionEnd, ...] = msgspec.field(default=(), name="earlierEnds")
    """One for each retry, the oldest first."""
    refused_answers: tuple[ExecutionRefusedAnswer, ...] = ()
    """Of the present try; the newest twenty, the oldest first."""
    flow_run_url: str | None = None
    """For operators: the page in Prefect's UI of the run that it is or was last in."""


class ExecutionPage(ListPage, frozen=True, kw_only=True):
    """A page of executions."""

    items: list[ExecutionSummary]


def summary_of(execution: ExecutionRecord) -> ExecutionSummary:
    return msgspec.convert(execution, ExecutionSummary, from_attributes=True)


def document_of(
    execution: ExecutionRecord,
    records: Sequence[StepRecord],
    prefect: Prefect,
    phases: Sequence[PhaseStep] = (),
) -> Execution:
    """`phases`: of a journey, which has no step records."""
    of_journey = msgspec.convert(phases, list[ExecutionStep], from_attributes=True)
    return Execution(
        **msgspec.structs.asdict(summary_of(execution)),
        triggers=msgspec.convert(execution.triggers, list[ExecutionTrigger], from_attributes=True),
        steps=[*steps_of(execution, records), *of_journey],
        results=execution.results,
        previous_outcomes=msgspec.convert(
            execution.previous_outcomes, tuple[ExecutionEnd, ...], from_attributes=True
        ),
        refused_answers=msgspec.convert(
            execution.refused_answers, tuple[ExecutionRefusedAnswer, ...], from_attributes=True
        ),
        flow_run_url=flow_run_url(prefect, execution.flow_run_id),
    )


def steps_of(execution: ExecutionRecord, records: Sequence[StepRecord]) -> list[ExecutionStep]:
    """The steps in the workflow's order, those without a record included unless the workflow's
    steps only appear.

    Records of other executions, and what failed before a retry, may be among `records`; they are
    passed over.
    """
    recorded = by_step(execution, records)
    in_order = sorted(recorded, key=lambda name: recorded[name].completed_at)
    names = known_steps(execution.workflow) or in_order
    return [
        _recorded(recorded[name]) if name in recorded else _unrecorded(execution, name)
        for name in names
    ]


def _recorded(record: StepRecord) -> ExecutionStep:
    return msgspec.convert(record, ExecutionStep, from_attributes=True)


def _unrecorded(execution: ExecutionRecord, name: str) -> ExecutionStep:
    return ExecutionStep(
        step=name, step_id=ids.step_id(execution.id, name), status=_UNRECORDED[execution.status]
    )


_UNRECORDED: Mapping[ExecutionStatus, StepStanding] = {
    "pending": "pending",
    "running": "running",
    "awaiting_approval": "running",
    "waiting": "pending",
    "completed": "skipped",
    "failed": "skipped",
    "cancelled": "skipped",
    "unreported": "skipped",
}
