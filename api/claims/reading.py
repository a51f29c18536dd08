"""A journey with all that belongs to it, read together."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from api.claims.documents import (
    Journey,
    JourneyClaim,
    JourneyFee,
    JourneyLogLine,
    JourneyPacket,
    JourneyPrompt,
    phase_of,
    prompt_of,
    summary_of,
)
from api.claims.errors import JourneyNotFound
from blocks.claims import journeys
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, Record
from blocks.contracts.records.claims import (
    ClaimRecord,
    FeeRecord,
    PacketRecord,
    PhaseLogEntry,
)
from blocks.ports import NotFound, Query, RecordStore, Stored
from blocks.queries import every, those

TIMELINE_MAX = 200

R = TypeVar("R", bound=Record)


async def found_journey(
    store: RecordStore, tenant_id: str, sync_id: str, user_id: str | None
) -> ExecutionRecord:
    """Also under another name that a phase's caller had for the sync. Raises `JourneyNotFound`."""
    return (await stored_journey(store, tenant_id, sync_id, user_id, by_other_names=True)).record


async def stored_journey(
    store: RecordStore,
    tenant_id: str,
    sync_id: str,
    user_id: str | None,
    *,
    by_other_names: bool = False,
) -> Stored[ExecutionRecord]:
    """With the store's ETag, under which it is changed. Raises `JourneyNotFound`."""
    try:
        return await journeys.read_journey(
            store, tenant_id, sync_id, user_id, by_other_names=by_other_names
        )
    except NotFound:
        raise JourneyNotFound from None


async def shown_journey(store: RecordStore, execution: ExecutionRecord) -> Journey:
    """The journey as a document; former journeys of claims that joined it are part of its log."""
    tenant_id, id = execution.tenant_id, execution.id
    phases, stored_claims = await asyncio.gather(
        journeys.phases_of(store, tenant_id, id), journeys.claims_of(store, tenant_id, id)
    )
    claims = [stored.record for stored in stored_claims]
    of_these = all_journeys(execution, claims)
    fees, packets, prompts, log = await asyncio.gather(
        _all(store, tenant_id, FeeRecord, of_these),
        _all(store, tenant_id, PacketRecord, of_these),
        _prompts(store, tenant_id, claims),
        _newest_lines(store, tenant_id, of_these),
    )
    ordered = sorted((one.record for one in phases), key=lambda one: (one.phase, one.requested_at))
    return Journey(
        **msgspec.structs.asdict(summary_of(execution)),
        phases=[phase_of(record) for record in ordered],
        claims=msgspec.convert(claims, list[JourneyClaim], from_attributes=True),
        money=msgspec.convert(fees, list[JourneyFee], from_attributes=True),
        documents=[packet_of(record) for record in packets],
        prompts=prompts,
        timeline=[line_of(entry) for entry in log],
    )


def all_journeys(execution: ExecutionRecord, claims: Sequence[ClaimRecord]) -> tuple[str, ...]:
    """The ids of the journey and of those that its claims had before they joined it."""
    former = (id for claim in claims for id in claim.joined_from)
    return tuple(dict.fromkeys((execution.id, *former)))


def line_of(entry: PhaseLogEntry) -> JourneyLogLine:
    return JourneyLogLine(
        id=entry.id,
        at=entry.created_at,
        phase=entry.phase,
        mark=entry.mark,
        round=entry.round,
        attempt=entry.attempt,
        triggered_by=entry.triggered_by,
        claim_id=entry.claim_id,
        duration_ms=entry.duration_ms,
        violates_limit=entry.violates_limit,
        previous_phase=entry.previous_phase,
        rollback_to=entry.rollback_to,
        result=entry.result,
        message=entry.message,
        error=entry.error,
        error_code=entry.error_code,
    )


def packet_of(record: PacketRecord) -> JourneyPacket:
    return JourneyPacket(
        packet_id=record.id,
        claim_id=record.claim_id,
        status=record.status,
        created_at=record.created_at,
        generation_completed_at=record.generation_completed_at,
        error=record.error,
        packet_bytes=record.packet_bytes,
        sha256=record.sha256,
    )


async def _all(
    store: RecordStore, tenant_id: str, kind: type[R], of_these: tuple[str, ...]
) -> list[R]:
    where = {"execution_id": of_these}
    return [stored.record async for stored in every(store, tenant_id, kind, where)]


async def _newest_lines(
    store: RecordStore, tenant_id: str, of_these: tuple[str, ...]
) -> list[PhaseLogEntry]:
    where = {"execution_id": of_these}
    page = await store.query(tenant_id, Query(PhaseLogEntry, where, limit=TIMELINE_MAX))
    return [stored.record for stored in reversed(page.items)]


async def _prompts(
    store: RecordStore, tenant_id: str, claims: Sequence[ClaimRecord]
) -> list[JourneyPrompt]:
    of = {claim.approval_id: claim.claim_id for claim in claims if claim.approval_id}
    found = await those(store, tenant_id, ApprovalRecord, of)
    return [prompt_of(stored.record, of[id]) for id, stored in found.items()]
