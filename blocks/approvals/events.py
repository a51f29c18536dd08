"""The events of an approval: computed from its record alone, so an event always has one id."""

from collections.abc import Iterator

from blocks.contracts import ids
from blocks.contracts.about import About
from blocks.contracts.approvals import HistoryEntry
from blocks.contracts.envelope import Event
from blocks.contracts.events import (
    EventData,
    HitlApprovalCompleted,
    HitlApprovalEscalated,
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
    approvers = approval.policy.approvers
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
