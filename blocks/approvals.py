"""What every process does to an approval: request it, decide it, announce the decision. Each is safe to do twice."""

import msgspec

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, HitlApprovalCompleted, HitlApprovalRequested, JsonObject
from blocks.contracts.records import ApprovalRecord
from blocks.messages import to_message
from blocks.ports import AlreadyExists, EventBus, RecordStore, Stored


class AlreadyDecided(Exception):
    """Somebody decided first; `approval` carries the decision that counts."""

    def __init__(self, approval: ApprovalRecord) -> None:
        super().__init__(f"approval {approval.id} is not pending: it is {approval.status}")
        self.approval = approval


async def open_approval(store: RecordStore, approval: ApprovalRecord) -> Stored[ApprovalRecord]:
    """The approval as it stands: this one if it is new, else the one of the same id that was there before."""
    try:
        return await store.create(approval.tenant_id, approval)
    except AlreadyExists:
        return await store.read(approval.tenant_id, ApprovalRecord, approval.id)


async def announce_request(bus: EventBus, approval: ApprovalRecord) -> None:
    """The platform has been told, under one id, that a person is asked."""
    event: Event[EventData] = Event(
        id=ids.approval_event_id(approval.id, "requested"),
        tenant_id=approval.tenant_id,
        timestamp=approval.requested_at,
        data=HitlApprovalRequested(
            tenant_id=approval.tenant_id,
            opportunity_id=approval.opportunity_id,
            risk_score=approval.risk_score,
            amount=approval.amount,
            requested_at=approval.requested_at,
            owner_id=approval.owner_id,
            correlation_id=approval.correlation_id,
        ),
    )
    await bus.publish(to_message(event))


async def decide(
    store: RecordStore,
    pending: Stored[ApprovalRecord],
    *,
    approved: bool,
    decided_by: str,
    comment: str,
    through: str,
) -> Stored[ApprovalRecord]:
    """The decision is on the record. Raises `AlreadyDecided` if there is one, `Stale` if one is being written now."""
    if pending.record.status != "pending":
        raise AlreadyDecided(pending.record)
    decided = msgspec.structs.replace(
        pending.record,
        status="approved" if approved else "rejected",
        decided_by=decided_by,
        decided_at=utc_now(),
        decided_through=through,
        comment=comment or None,
    )
    return await store.replace(decided.tenant_id, pending.etag, decided)


async def announce_decision(bus: EventBus, approval: ApprovalRecord) -> None:
    """The platform has been told, under one id, what was decided."""
    assert approval.decided_at is not None, "only a decided approval is announced"
    event: Event[EventData] = Event(
        id=ids.approval_event_id(approval.id, "completed"),
        tenant_id=approval.tenant_id,
        timestamp=approval.decided_at,
        data=HitlApprovalCompleted(
            tenant_id=approval.tenant_id,
            opportunity_id=approval.opportunity_id,
            approval_id=approval.id,
            approved=approval.status == "approved",
            decided_by=approval.decided_by or "",
            decided_at=approval.decided_at,
        ),
    )
    await bus.publish(to_message(event))


def summary(approval: ApprovalRecord) -> JsonObject:
    """Who decided what and when, as it stands in an execution's results."""
    return {
        "approvalId": approval.id,
        "approved": approval.status == "approved",
        "decidedBy": approval.decided_by,
        "decidedAt": approval.decided_at,
        "comment": approval.comment,
    }
