"""The events of an approval: computed from its record alone, so an event always has one id."""

from collections.abc import Iterator

from blocks.contracts import ids
from blocks.contracts.about import About
from blocks.contracts.approvals import Approvers, HistoryEntry, Question
from blocks.contracts.envelope import Event
from blocks.contracts.events import (
    EventData,
    HitlApprovalAdvanced,
    HitlApprovalAnswered,
    HitlApprovalCompleted,
    HitlApprovalEscalated,
    HitlApprovalQuestioned,
    HitlApprovalReminded,
    HitlApprovalRequested,
)
from blocks.contracts.records import ApprovalRecord


def unpublished(approval: ApprovalRecord) -> Iterator[Event[EventData]]:
    """The events of what has happened and was not confirmed by the broker, in the order it
    happened.
    """
    for position in range(approval.published_count, len(approval.history)):
        entry = approval.history[position]
        if found := _event_of(approval, entry, position):
            what, data = found
            yield Event(
                id=ids.approval_event_id(approval.id, what),
                tenant_id=approval.tenant_id,
                timestamp=entry.at,
                about=About.approval(approval),
                data=data,
            )


def _event_of(
    approval: ApprovalRecord, entry: HistoryEntry, position: int
) -> tuple[str, EventData] | None:
    """The event that announces this entry, and the name in its id; most entries have none."""
    approvers = _asked_in(approval, entry.stage)
    match entry.what:
        case "requested":
            return "requested", HitlApprovalRequested(
                tenant_id=approval.tenant_id,
                opportunity_id=approval.opportunity_id or approval.about,
                risk_score=approval.risk_score,
                amount=approval.amount,
                amount_known=approval.amount_known,
                requested_at=approval.requested_at,
                owner_id=approval.owner_id,
                approver_id=approval.approver_id,
                recipient_id=approval.recipient_id,
                correlation_id=approval.correlation_id,
                approval_url=approval.approval_url,
                approval_id=approval.id,
            )
        case "reminded":
            return f"reminded-{position}", HitlApprovalReminded(
                tenant_id=approval.tenant_id,
                opportunity_id=approval.opportunity_id or approval.about,
                approval_id=approval.id,
                reminded_at=entry.at,
                approvers=list(approvers.users),
                approver_roles=list(approvers.roles),
                due_at=approval.due_at,
                expires_at=approval.expires_at,
                stage=entry.stage,
            )
        case "escalated":
            return f"escalated-{position}", HitlApprovalEscalated(
                tenant_id=approval.tenant_id,
                opportunity_id=approval.opportunity_id or approval.about,
                approval_id=approval.id,
                escalated_at=entry.at,
                approvers=list(approvers.users),
                approver_roles=list(approvers.roles),
                expires_at=approval.expires_at,
                stage=entry.stage,
            )
        case "advanced":
            return f"advanced-{position}", HitlApprovalAdvanced(
                tenant_id=approval.tenant_id,
                opportunity_id=approval.opportunity_id or approval.about,
                approval_id=approval.id,
                stage=entry.stage or "",
                advanced_at=entry.at,
                advanced_by=entry.actor or "",
                approvers=list(approvers.users),
                approver_roles=list(approvers.roles),
            )
        case "questioned":
            return f"questioned-{position}", HitlApprovalQuestioned(
                tenant_id=approval.tenant_id,
                opportunity_id=approval.opportunity_id or approval.about,
                approval_id=approval.id,
                question=entry.note or "",
                asked_by=entry.actor or "",
                asked_at=entry.at,
                on_behalf_of=entry.on_behalf_of,
                requested_by=approval.requested_by,
                owner_id=approval.owner_id,
                stage=entry.stage,
            )
        case "answered":
            question = _answered_at(approval, position)
            return f"answered-{position}", HitlApprovalAnswered(
                tenant_id=approval.tenant_id,
                opportunity_id=approval.opportunity_id or approval.about,
                approval_id=approval.id,
                question=question.text,
                asked_by=question.actor,
                answer=entry.note or "",
                answered_by=entry.actor or "",
                answered_at=entry.at,
                stage=entry.stage,
            )
        case "decided" | "expired":
            return "completed", HitlApprovalCompleted(
                tenant_id=approval.tenant_id,
                opportunity_id=approval.opportunity_id or approval.about,
                approval_id=approval.id,
                approved=entry.outcome == "approved",
                decided_by=entry.actor or "",
                decided_at=entry.at,
            )
    return None


def _answered_at(approval: ApprovalRecord, position: int) -> Question:
    """Questions are answered in the order in which they were asked."""
    earlier = sum(entry.what == "answered" for entry in approval.history[:position])
    return approval.questions[earlier]


def _asked_in(approval: ApprovalRecord, stage: str | None) -> Approvers:
    """Who may decide; of an earlier stage, whom its terms name."""
    earlier = [one for one in approval.stages if one.name == stage != approval.stage]
    return earlier[0].policy.approvers if earlier else approval.policy.approvers
