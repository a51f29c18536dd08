"""An approval as a tenant sees it, and the requests about one."""

from datetime import datetime
from typing import Annotated

import msgspec

from api.http.documents import Document
from api.http.lists import ListPage
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
from blocks.contracts.reading.limits import Amount, Score
from blocks.contracts.reading.moments import Moment
from blocks.contracts.reading.normalised import OUR_ID
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.states import ApprovalStatus

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Comment = Annotated[str, msgspec.Meta(max_length=4000)]


class ApprovalSummary(Document, frozen=True, kw_only=True):
    """A decision that a person owes; `executionId` names the execution that waits for it, if one
    does.
    """

    id: str
    tenant_id: str
    opportunity_id: str
    risk_score: float
    amount: float
    amount_known: bool = True
    """False: no event states it, or not without doubt; `amount` is 0 then."""
    requested_at: datetime
    status: ApprovalStatus
    execution_id: str | None = None
    owner_id: str | None = None
    approver_id: str | None = None
    recipient_id: str | None = None
    correlation_id: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str | None = None
    decided_through: str | None = None
    workflow: str | None = None
    gate: str | None = None
    subject: str | None = None
    requested_by: str | None = None
    summary: str | None = None
    policy: ApprovalPolicy
    due_at: datetime | None = None
    expires_at: datetime | None = None
    on_expiry: OnExpiry | None = None
    claimed_by: str | None = None
    stage: str | None = None
    """The one that is asked; without it, the approval has one, without a name."""
    open_question: Question | None = None
    """An approver waits for its answer."""
    decisions: tuple[Decision, ...] = ()
    version: int


class Approval(ApprovalSummary, frozen=True, kw_only=True):
    """The approval with all that a person needs to decide it; its `version` is the ETag."""

    context: JsonObject | None = None
    form_schema: JsonObject | None = None
    options: tuple[Outcome, ...] | None = None
    on_reject: OnReject | None = None
    reminders: tuple[datetime, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    stages: tuple[Stage, ...] = ()
    """All that it goes through, in order; their times count from when each begins."""
    stage_began_at: datetime | None = None
    questions: tuple[Question, ...] = ()


class ApprovalPage(ListPage, frozen=True, kw_only=True):
    """A page of approvals; `counts` (on the first page) is the number in each status."""

    items: list[ApprovalSummary]
    counts: dict[str, int] | None = None


class ApprovalHistory(ListPage, frozen=True, kw_only=True):
    """Everything that happened to an approval, oldest first; never changed, only continued."""

    items: list[HistoryEntry]


class NewApproval(Document, frozen=True, kw_only=True):
    """A decision to ask people for; `subject` or `opportunityId` names what it is about."""

    subject: Text | None = None
    opportunity_id: Text | None = None
    execution_id: Annotated[Text, OUR_ID] | None = None
    """An open execution, which then waits for it."""
    workflow: Text | None = None
    gate: Text | None = None
    summary: Annotated[str, msgspec.Meta(max_length=20_000)] = ""
    context: JsonObject | None = None
    risk_score: Score = 0.0
    amount: Amount | None = None
    """None: it is not known."""
    owner_id: Text | None = None
    approver_id: Text | None = None
    recipient_id: Text | None = None
    correlation_id: Text | None = None
    form_schema: JsonObject | None = None
    # Lists: for a limited tuple, Litestar's document allows any items.
    options: Annotated[list[Outcome], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: list(OUTCOMES)
    )
    policy: ApprovalPolicy = ApprovalPolicy()
    due_at: Moment | None = None
    expires_at: Moment | None = None
    on_expiry: OnExpiry = "fail"
    on_reject: OnReject = "fail"
    reminders: Annotated[list[Moment], msgspec.Meta(max_length=50)] = msgspec.field(
        default_factory=list
    )
    escalations: Annotated[list[Escalation], msgspec.Meta(max_length=50)] = msgspec.field(
        default_factory=list
    )


class ApprovalVerdict(Document, frozen=True, kw_only=True):
    """The older form of a decision: the path has the outcome, the body the user."""

    # An empty one is refused by the route, in the older service's words.
    decided_by: Annotated[str, msgspec.Meta(max_length=200, extra_json_schema={"minLength": 1})]
    """Who decides; the same user as in the credential, if that names one."""
    comment: Comment | None = None


class DecisionBody(Document, frozen=True, kw_only=True):
    """A decision: `approved` or `rejected` (`approve` and `reject` mean the same)."""

    outcome: Annotated[str, msgspec.Meta(pattern="^(approve|reject|approved|rejected)$")]
    reason: Comment | None = None
    form: JsonObject | None = None
    stage: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    """The stage that was read: a decision about another one is refused. None: whichever is asked"""

    @property
    def chosen(self) -> Outcome:
        return "approved" if self.outcome.startswith("approve") else "rejected"


class NamedDecision(DecisionBody, frozen=True, kw_only=True):
    """A decision, and whose it is."""

    decided_by: Text | None = None
    """Who decides, if the credential names no user; if it does, the same user."""


class OneOfMany(NamedDecision, frozen=True, kw_only=True):
    """A decision about the approval of this id."""

    id: Text


class ManyDecisions(Document, frozen=True, kw_only=True):
    """Decisions about several approvals, each taken or refused on its own."""

    decisions: Annotated[list[OneOfMany], msgspec.Meta(min_length=1, max_length=100)]


class Delegation(Document, frozen=True, kw_only=True):
    """Who decides instead."""

    to: Text
    reason: Comment | None = None


class QuestionOrAnswer(Document, frozen=True, kw_only=True):
    """A question of an approver, or the answer to it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000, pattern=r"\S")]


class Extension(Document, frozen=True, kw_only=True):
    """When it expires from now on."""

    expires_at: Moment


class Withdrawal(Document, frozen=True, kw_only=True):
    """Why the request is withdrawn."""

    reason: Comment | None = None


def approval_of(approval: ApprovalRecord) -> Approval:
    return msgspec.convert(_shown(approval), Approval, from_attributes=True)


def summary_of(approval: ApprovalRecord) -> ApprovalSummary:
    return msgspec.convert(_shown(approval), ApprovalSummary, from_attributes=True)


def _shown(approval: ApprovalRecord) -> ApprovalRecord:
    """Clients that know approvals of opportunities only find what it is about in their field."""
    return msgspec.structs.replace(
        approval, opportunity_id=approval.opportunity_id or approval.about
    )
