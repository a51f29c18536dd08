"""Requests for approval from outside become approval records."""

from blocks.approvals import open_approval
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.envelope import SERVICE, Event
from blocks.contracts.events import HitlApprovalRequested
from blocks.contracts.records import ApprovalRecord
from blocks.ports import RecordStore


async def record_approval_request(store: RecordStore, event: Event[HitlApprovalRequested]) -> str:
    """What became of the request: `recorded`, or `ignored` if it is our own, coming back to us.

    Requests with one correlation id (risk-analytics sends its evaluation's) are one approval, however often they come.
    """
    if event.source == SERVICE:
        return "ignored"
    data, now = event.data, utc_now()
    cause = data.correlation_id or event.id
    await open_approval(
        store,
        ApprovalRecord(
            id=ids.approval_id(f"{event.tenant_id}/{data.opportunity_id}", cause),
            tenant_id=event.tenant_id,
            created_at=now,
            opportunity_id=data.opportunity_id,
            risk_score=data.risk_score,
            amount=data.amount,
            requested_at=data.requested_at or now,
            owner_id=data.owner_id,
            approver_id=data.approver_id,
            recipient_id=data.recipient_id,
            correlation_id=data.correlation_id,
        ),
    )
    return "recorded"
