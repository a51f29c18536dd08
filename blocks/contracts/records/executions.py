"""Executions and their steps."""

from datetime import datetime
from typing import ClassVar

import msgspec

from blocks.contracts import ids, traces
from blocks.contracts.events import JsonObject
from blocks.contracts.reading.normalised import MatchingId, Normalised
from blocks.contracts.reading.uuids import matching_id
from blocks.contracts.records.base import Origin, Record
from blocks.contracts.states import TERMINAL, ExecutionStatus, StepStatus


class Trigger(Normalised, frozen=True, kw_only=True, rename="camel"):
    """An event that caused an execution, or was absorbed by it while it was pending."""

    event_id: MatchingId
    event_type: str
    received_at: datetime
    digest: str
    """SHA-256 of the event's body: distinguishes a redelivery from another event of this id.
    """
    actor: str | None = None
    """The user in whose name it came, if it names one."""
    traceparent: str | None = None
    """The span that it came from, in W3C's terms, if it names one."""


class PreviousOutcome(Normalised, frozen=True, kw_only=True, rename="camel"):
    """How an execution had ended before it was retried."""

    status: ExecutionStatus
    completed_at: datetime | None
    retried_at: datetime
    retried_by: str | None = None
    """The user who asked for it, if known."""
    error: str | None = None
    error_code: str | None = None
    failed_step: str | None = None
    flow_run_id: str | None = None


class RefusedAnswer(Normalised, frozen=True, kw_only=True, rename="camel"):
    """An answer to one of its steps that could not be accepted, and lies among the dead letters."""

    step: str
    code: str
    reason: str
    event_id: str
    dead_letter_id: str
    at: datetime


class ExecutionRecord(Record, frozen=True, kw_only=True, tag="execution"):
    """One piece of work of a workflow for one tenant and one subject; its `id` is the `workflowId`
    on the wire.
    """

    container: ClassVar[str] = "workflow_executions"

    workflow: str
    subject: str
    """A UUID in lower case, in any case of the input, so that all that refers to it matches."""
    status: ExecutionStatus
    triggers: list[Trigger]
    trigger_ids: list[MatchingId]
    input: JsonObject
    updated_at: datetime
    started_at: datetime | None = None
    held_since: datetime | None = None
    """When a run last took it up; unlike `updated_at`, nothing that is only noted on
    it moves this.
    """
    completed_at: datetime | None = None
    announced_at: datetime | None = None
    """When the broker confirmed the terminal event; None on a terminal record: it is still due."""
    priority: int = 0
    """Within its tenant, a higher one is dispatched first."""
    attempt: int = 0
    """How often a worker has taken this execution up; a worker that holds an older attempt cannot
    write.
    """
    flow_run_id: str | None = None
    results: JsonObject | None = None
    missing_steps: list[str] = []
    error: str | None = None
    error_code: str | None = None
    failed_step: str | None = None
    definition_version: int | None = None
    """The version of its tenant's workflow definition that it started with, and keeps; 0: there was
    none.
    """
    approval_ids: list[str] = []
    """Approvals that others requested while it was open: it waits for them besides its own."""
    previous_outcomes: list[PreviousOutcome] = msgspec.field(
        default_factory=list, name="earlierEnds"
    )
    """One for each time that it was retried after it had failed or had been cancelled."""
    rerun_of: str | None = None
    """The execution of which this is a rerun."""
    refused_answers: list[RefusedAnswer] = []
    """Of the present try; the newest, oldest first."""
    subject_as_sent: str | None = None
    """Its subject as the event spelled it, if that is not how `subject` does."""
    origin: Origin | None = None
    """None: it was accepted here."""
    woken_at: datetime | None = None
    """When something from outside last gave it work, of workflows whose executions may rest."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Records of earlier versions keep the spelling of the event.
        if (subject := matching_id(self.subject)) != self.subject:
            as_sent = self.subject_as_sent or self.subject
            msgspec.structs.force_setattr(self, "subject_as_sent", as_sent)
            msgspec.structs.force_setattr(self, "subject", subject)

    @property
    def subject_on_wire(self) -> str:
        """As services spell it: a foreign id returns to them as it came."""
        return self.subject_as_sent or self.subject

    @property
    def retries(self) -> int:
        """Which try this is; 0 the first. Ids of requests and announcements derive from it."""
        return len(self.previous_outcomes)

    @property
    def trace_id(self) -> str:
        """The trace that it is part of: the one its event came with, or its own."""
        return traces.of_execution(self).trace_id

    @property
    def waiting_since(self) -> datetime:
        """When it was accepted, retried or woken for the last time."""
        retried = self.previous_outcomes[-1].retried_at if self.previous_outcomes else None
        return max(filter(None, (self.created_at, retried, self.woken_at)))

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


class TurnRecord(Record, frozen=True, kw_only=True, tag="turn"):
    """Of the executions of one kind of work, at most one is at work: the one that this names. `id`
    is `ids.turn_id`.
    """

    container: ClassVar[str] = "workflow_workflows"

    execution_id: str
    taken_at: datetime


class StepRecord(Record, frozen=True, kw_only=True, tag="step"):
    """How one step ended. Created once, never changed: the first writer (answer, failure or
    deadline) decides.
    """

    container: ClassVar[str] = "workflow_steps"

    execution_id: str
    step: str
    step_id: str = ""
    """The `stepId` of the wire, a UUID; `id` is the key under which the step has one record a try.
    """
    status: StepStatus
    completed_at: datetime
    result: JsonObject | None = None
    error: str | None = None
    error_code: str | None = None
    event_id: str | None = None
    """The event that brought the answer; None when the deadline passed."""
    retry: int = 0
    """In which try of its execution; one that failed counts in that try only."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.step_id:  # in what others write, and wrote before there was the field
            computed = ids.step_id(self.execution_id, self.step)
            msgspec.structs.force_setattr(self, "step_id", computed)
