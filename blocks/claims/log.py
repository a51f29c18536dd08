"""The log of phases: one line per mark, created once, published under the line's id."""

import msgspec

from blocks.contracts import events, ids
from blocks.contracts.about import About
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.envelope import Event
from blocks.contracts.events import PHASE_EVENTS, PhaseEvent
from blocks.contracts.records.claims import PhaseLogEntry
from blocks.contracts.traces import TraceContext
from blocks.messages import to_message
from blocks.ports import AlreadyExists, EventBus, RecordStore
from blocks.queries import every

PUBLISHED_MARKS = ("started", "completed", "failed")
"""The others are for the log alone."""


async def write(store: RecordStore, bus: EventBus, entry: PhaseLogEntry) -> PhaseLogEntry:
    """The line is in the log and, if its mark is a public one, its event is confirmed; returns the
    line as it was written first. Raises `Unavailable`: call again.
    """
    try:
        entry = (await store.create(entry.tenant_id, entry)).record
    except AlreadyExists:
        entry = (await store.read(entry.tenant_id, PhaseLogEntry, entry.id)).record
    if entry.mark in PUBLISHED_MARKS:
        await bus.publish(to_message(event_of(entry)))
    return entry


def event_of(entry: PhaseLogEntry) -> Event[events.EventData]:
    """The event of a line with a public mark; computed from the line alone."""
    kind = PHASE_EVENTS[entry.phase, entry.mark]
    return Event(
        id=entry.id,
        tenant_id=entry.tenant_id,
        timestamp=entry.created_at,
        traceparent=str(_span(entry)),
        about=About(execution_id=entry.execution_id, workflow=WORKFLOW, subject=entry.user_id),
        data=_data(kind, entry),
    )


def _span(entry: PhaseLogEntry) -> TraceContext:
    trace_id = ids.trace_id(entry.execution_id)
    return TraceContext(trace_id, ids.span_id(entry.execution_id, entry.id))


def _data(kind: type[PhaseEvent], entry: PhaseLogEntry) -> PhaseEvent:
    return kind(
        phase=entry.phase,
        workflow_id=entry.execution_id,
        user_id=entry.user_id,
        sync_id=entry.sync_id,
        other_sync_ids=entry.other_sync_ids,
        claim_id=entry.claim_id or msgspec.UNSET,
        round=entry.round,
        timestamp=entry.created_at,
        result=entry.result,
        message=entry.message,
        error=entry.error or msgspec.UNSET,
        error_code=entry.error_code or msgspec.UNSET,
        duration_ms=msgspec.UNSET if entry.duration_ms is None else entry.duration_ms,
        violates_limit=entry.violates_limit,
        rollback_to=entry.rollback_to or msgspec.UNSET,
        completes_sync=entry.completes_sync,
    )


async def entries(
    store: RecordStore, tenant_id: str, execution_ids: list[str]
) -> list[PhaseLogEntry]:
    """The log of these journeys, oldest line first."""
    if not execution_ids:
        return []
    of_journeys = {"execution_id": tuple(execution_ids)}
    return [stored.record async for stored in every(store, tenant_id, PhaseLogEntry, of_journeys)]
