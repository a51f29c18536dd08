"""The log of phases, and the events that publish it."""

from msgspec import UNSET

from blocks.contracts.about import About
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.envelope import Event
from blocks.contracts.events import PHASE_EVENTS, PhaseEvent
from blocks.contracts.records.claims import PhaseLogEntry


def event_of(entry: PhaseLogEntry) -> Event[PhaseEvent]:
    """The event that publishes this entry, under the entry's id: `started`, `completed` or
    `failed`; no other mark is published.
    """
    data = PHASE_EVENTS[entry.phase, entry.mark](
        phase=entry.phase,
        workflow_id=entry.execution_id,
        user_id=entry.user_id,
        sync_id=entry.sync_id,
        other_sync_ids=entry.other_sync_ids,
        claim_id=entry.claim_id or UNSET,
        round=entry.round,
        timestamp=entry.created_at,
        result=entry.result,
        message=entry.message,
        error=entry.error or UNSET,
        error_code=entry.error_code or UNSET,
        duration_ms=UNSET if entry.duration_ms is None else entry.duration_ms,
        violates_limit=entry.violates_limit,
        rollback_to=entry.rollback_to or UNSET,
        completes_sync=entry.completes_sync,
    )
    return Event(
        id=entry.id,
        tenant_id=entry.tenant_id,
        timestamp=entry.created_at,
        data=data,
        about=About(execution_id=entry.execution_id, workflow=WORKFLOW, subject=entry.user_id),
    )
