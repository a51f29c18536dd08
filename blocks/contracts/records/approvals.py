"""Approvals, and who stands in for whom."""

from datetime import datetime
from typing import ClassVar

import msgspec

from blocks.contracts.approvals import (
    OUTCOMES,
    ApprovalPolicy,
    Decision,
    Escalation,
    HistoryEntry,
    OnExpiry,
    OnReject,
    Outcome,
    Question,
    Stage,
)
from blocks.contracts.events import JsonObject
from blocks.contracts.records.base import Origin, Record
from blocks.contracts.states import ApprovalStatus


class ApprovalRecord(Record, frozen=True, kw_only=True, tag="approval"):
    """A decision that a person owes an execution or an outside caller."""

    container: ClassVar[str] = "hitl_approvals"

    requested_at: datetime
    opportunity_id: str | None = None
    """Of an approval about an opportunity, like the three below: as its events spell it."""
    risk_score: float = 0.0
    amount: float = 0.0
    """0 where it is not known."""
    amount_known: bool = True
    status: ApprovalStatus = "pending"
    execution_id: str | None = None
    retry: int = 0
    """In which try of the execution; what was granted counts in later ones, too."""
    workflow: str | None = None
    gate: str | None = None
    owner_id: str | None = None
    approver_id: str | None = None
    """As the request from outside states it; `policy` alone restricts who may decide."""
    recipient_id: str | None = None
    """Likewise."""
    correlation_id: str | None = None
    approval_url: str | None = None
    """Where people decide it, for its first event; None where no `server.public_url` was set."""
    decided_by: str | None = None
    decided_at: datetime | None = None
    decided_through: str | None = None
    """The channel of the decision: `api`, `cli`, `link`, `page`, `prefect-ui`."""
    comment: str | None = None

    subject: str | None = None
    """What it is about; None in records that are older than this field, which have
    an opportunity.
    """
    requested_by: str | None = None
    summary: str = ""
    """What is asked, for the person who decides; Markdown."""
    context: JsonObject = {}
    """What that person must see: of an analysis `risk`, `forecast` and `recommendations`."""
    form_schema: JsonObject | None = None
    """JSON Schema (draft 2020-12) of the form that goes with a decision."""
    options: tuple[Outcome, ...] = OUTCOMES
    # Callers from before the policies demanded no reason, and their clients send none.
    policy: ApprovalPolicy = ApprovalPolicy(reason_required="never")
    due_at: datetime | None = None
    expires_at: datetime | None = None
    on_expiry: OnExpiry = "fail"
    on_reject: OnReject = "fail"
    reminders: list[datetime] = []
    """When to remind; those that were sent are gone from here, and in the history."""
    escalations: list[Escalation] = []
    """Those still to come."""
    stages: list[Stage] = []
    """All that it goes through; none: one, without a name."""
    stage: str | None = None
    """The one whose terms stand above."""
    stage_began_at: datetime | None = None
    """None: when it was requested."""
    asked_again_at: datetime | None = None
    """When its expiry last had more people asked, in this stage; None: not yet."""
    questions: list[Question] = []
    """Only the last may be without an answer."""
    decisions: list[Decision] = []
    history: list[HistoryEntry] = []
    claimed_by: str | None = None
    handed_on: list[str] = []
    """Who let another decide in their place, and so has no vote here any more."""
    other_names: dict[str, list[str]] = {}
    """Further names of who acted on it, as their tokens prove them, by the name on the record."""
    used_links: list[str] = []
    """Nonces of links that have been used for a decision: each is good once."""
    origin: Origin | None = None
    """None: it was requested here."""
    older_fields: JsonObject = {}
    """What the older service's document holds besides the fields above, or in a form that is not
    theirs.
    """
    version: int = 1
    """Counts what happened to it; the ETag of the wire. Our own bookkeeping below
    does not count.
    """

    published_count: int = msgspec.field(default=0, name="told")
    """How many entries of the history have been announced."""
    waits: int = 0
    """How often its suspended run was resumed without a decision; each wait is a new one for
    Prefect.
    """
    settled_at: datetime | None = None
    """When all that follows from the decision was done: announced, the execution continued. None:
    due.
    """
    next_at: float | None = None
    """Before this moment nothing is due: seconds since 1970, for stores to compare. None: check it.
    """

    @property
    def about(self) -> str:
        """What it is about, on the wire also where only an opportunity was foreseen."""
        return self.subject or self.opportunity_id or ""

    @property
    def asked_since(self) -> datetime:
        """From when its present expiry counts."""
        return self.asked_again_at or self.stage_began_at or self.requested_at

    @property
    def later_stages(self) -> list[Stage]:
        names = [stage.name for stage in self.stages]
        return self.stages[names.index(self.stage) + 1 :] if self.stage in names else []

    @property
    def open_question(self) -> Question | None:
        last = self.questions[-1] if self.questions else None
        return last if last and last.answer is None else None


class StandInRecord(Record, frozen=True, kw_only=True, tag="stand-in"):
    """Who decides in the place of a person who is absent; each person has at most one."""

    container: ClassVar[str] = "hitl_approvals"

    person: str
    """Who named the stand-in, as their credential proved it, with what it proved besides."""
    other_names: list[str] = []
    roles: list[str] = []
    stand_in: str
    starts_at: datetime
    ends_at: datetime
    version: int = 1

    def covers(self, moment: datetime) -> bool:
        return self.starts_at <= moment < self.ends_at
