"""Events of approvals."""

from typing import ClassVar

from blocks.contracts.events.base import EventData, Id, OurId, SubjectId, Uuid
from blocks.contracts.reading.limits import Amount, Score
from blocks.contracts.reading.moments import Moment


class HitlApprovalCompleted(EventData, frozen=True, kw_only=True):
    """A person has decided."""

    event_type: ClassVar[str] = "hitl.approval.completed"
    tenant_id: Uuid
    opportunity_id: SubjectId
    approval_id: Uuid
    approved: bool
    decided_by: str
    decided_at: Moment


class HitlApprovalReminded(EventData, frozen=True, kw_only=True):
    """Those who may decide are reminded."""

    event_type: ClassVar[str] = "hitl.approval.reminded"
    tenant_id: Uuid
    opportunity_id: SubjectId
    approval_id: Uuid
    reminded_at: Moment
    approvers: list[str] = []
    approver_roles: list[str] = []
    due_at: Moment | None = None
    expires_at: Moment | None = None
    stage: str | None = None


class HitlApprovalEscalated(EventData, frozen=True, kw_only=True):
    """More people may decide from now on; those named are all who may."""

    event_type: ClassVar[str] = "hitl.approval.escalated"
    tenant_id: Uuid
    opportunity_id: SubjectId
    approval_id: Uuid
    escalated_at: Moment
    approvers: list[str] = []
    approver_roles: list[str] = []
    expires_at: Moment | None = None
    stage: str | None = None


class HitlApprovalAdvanced(EventData, frozen=True, kw_only=True):
    """One stage has approved, and the next one is asked: those named may decide from now on."""

    event_type: ClassVar[str] = "hitl.approval.advanced"
    tenant_id: Uuid
    opportunity_id: SubjectId
    approval_id: Uuid
    stage: str
    advanced_at: Moment
    advanced_by: str
    """Who decided the stage before; `clock` if its time was over, and silence approves it."""
    approvers: list[str] = []
    approver_roles: list[str] = []


class HitlApprovalQuestioned(EventData, frozen=True, kw_only=True):
    """An approver asks those who requested the approval a question; it stays pending meanwhile."""

    event_type: ClassVar[str] = "hitl.approval.questioned"
    tenant_id: Uuid
    opportunity_id: SubjectId
    approval_id: Uuid
    question: str
    asked_by: str
    asked_at: Moment
    on_behalf_of: str | None = None
    requested_by: str | None = None
    """Who is to answer."""
    owner_id: str | None = None
    stage: str | None = None


class HitlApprovalAnswered(EventData, frozen=True, kw_only=True):
    """The question has its answer; `asked_by` is who waits for it."""

    event_type: ClassVar[str] = "hitl.approval.answered"
    tenant_id: Uuid
    opportunity_id: SubjectId
    approval_id: Uuid
    question: str
    asked_by: str
    answer: str
    answered_by: str
    answered_at: Moment
    stage: str | None = None


class HitlApprovalRequested(EventData, frozen=True, kw_only=True):
    """A service (risk-analytics, or an analysis of ours) asks a person to approve a risky deal."""

    event_type: ClassVar[str] = "hitl.approval.requested"
    opportunity_id: Id
    risk_score: Score
    amount: Amount
    """Always a number, as consumers expect; 0 where `amount_known` is false."""
    amount_known: bool = True
    requested_at: Moment | None = None
    tenant_id: OurId | None = None
    owner_id: str | None = None
    approver_id: str | None = None
    recipient_id: str | None = None
    correlation_id: str | None = None
    approval_url: str | None = None
    approval_id: OurId | None = None
    """Of a request of ours: where to decide."""
    evaluation_id: str | None = None
