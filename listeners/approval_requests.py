"""Requests for approval from outside become approval records; an open execution of their
opportunity waits for them.
"""

from blocks.approvals.lifecycle import attach, open_approval
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.approvals import HistoryEntry
from blocks.contracts.envelope import SERVICE, Event
from blocks.contracts.events import HitlApprovalRequested
from blocks.contracts.reading.uuids import matching_id, spellings
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.base import OLDER_SERVICE
from blocks.contracts.states import OPEN
from blocks.contracts.workflows import about
from blocks.ports import Query, RecordStore, Stored
from blocks.tenants.directory import enter_in_directory
from listeners.context import Context


async def record_approval_request(context: Context, event: Event[HitlApprovalRequested]) -> str:
    """Returns `recorded`, `attached`, `known` (asked by the execution's gate, or of the older
    service), `ignored` (ours).

    Requests with one correlation id (risk-analytics sends its evaluation's), else of one evaluation
    of the opportunity, are one approval, however often they come.
    """
    if event.source == SERVICE:
        return "ignored"
    store = context.store
    await enter_in_directory(store, event.tenant_id)
    if await _older_service_has_it(store, event.tenant_id, event.data):
        return "known"
    execution = await _open_execution(store, event)
    if execution and await _asks_already(store, execution.record, event.data):
        return "known"
    approval = await open_approval(
        store, _approval_of(event, execution.record if execution else None)
    )
    if approval.record.execution_id is None or approval.record.status != "pending":
        return "recorded"
    return "attached" if await attach(store, approval) else "recorded"


async def _open_execution(
    store: RecordStore, event: Event[HitlApprovalRequested]
) -> Stored[ExecutionRecord] | None:
    """The oldest of the opportunity's executions that has not ended, those that are under way
    first.
    """
    of_subject = {
        "workflow": about("opportunity"),
        "subject": spellings(event.data.opportunity_id),
        "status": OPEN,
    }
    found = await store.query(
        event.tenant_id, Query(ExecutionRecord, of_subject, newest_first=False)
    )
    return min(found.items, key=lambda stored: stored.record.status == "pending", default=None)


async def _older_service_has_it(
    store: RecordStore, tenant_id: str, data: HitlApprovalRequested
) -> bool:
    """Whether the older service has recorded this very request: it may have ended before it could
    acknowledge the event.
    """
    if data.correlation_id is None:
        return False
    same = {"origin": OLDER_SERVICE, "correlation_id": spellings(data.correlation_id)}
    found = await store.query(tenant_id, Query(ApprovalRecord, same))
    return any(
        matching_id(stored.record.about) == matching_id(data.opportunity_id)
        for stored in found.items
    )


async def _asks_already(
    store: RecordStore, execution: ExecutionRecord, data: HitlApprovalRequested
) -> bool:
    """Whether the execution's own gate asks about the same evaluation."""
    evaluation = data.correlation_id or data.evaluation_id
    if evaluation is None or execution.status != "awaiting_approval":
        return False
    of_execution = {"execution_id": execution.id, "correlation_id": spellings(evaluation)}
    found = await store.query(execution.tenant_id, Query(ApprovalRecord, of_execution))
    return any(stored.record.gate is not None for stored in found.items)


def _approval_of(
    event: Event[HitlApprovalRequested], execution: ExecutionRecord | None
) -> ApprovalRecord:
    data, now = event.data, utc_now()
    cause = data.correlation_id or data.evaluation_id or event.id
    return ApprovalRecord(
        id=ids.approval_id(
            f"{event.tenant_id}/{matching_id(data.opportunity_id)}", matching_id(cause)
        ),
        tenant_id=event.tenant_id,
        created_at=now,
        opportunity_id=data.opportunity_id,
        subject=data.opportunity_id,
        risk_score=data.risk_score,
        amount=data.amount if data.amount_known else 0.0,
        amount_known=data.amount_known,
        requested_at=data.requested_at or now,
        requested_by=event.metadata.user_id or event.source,
        execution_id=execution.id if execution else None,
        retry=execution.retries if execution else 0,
        workflow=execution.workflow if execution else None,
        owner_id=data.owner_id,
        approver_id=data.approver_id,
        recipient_id=data.recipient_id,
        correlation_id=data.correlation_id,
        summary=f"**Approve opportunity {data.opportunity_id}?** {event.source} "
        "asks: its risk score is "
        f"{data.risk_score:g}, its amount {_shown_amount(data)}.",
        history=[HistoryEntry(what="requested", at=data.requested_at or now, actor=event.source)],
        published_count=1,  # published by the requester
    )


def _shown_amount(data: HitlApprovalRequested) -> str:
    return f"{data.amount:,.0f}" if data.amount_known else "unknown"
