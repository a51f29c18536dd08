"""Claims: named by a sync, joined to its journey, and moved on; their status never goes back."""

from typing import Any

from msgspec.structs import replace

from blocks.claims import journeys
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.findings import Claim
from blocks.contracts.claims.workflow import journey_input
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, ClaimStatus, PhaseRecord
from blocks.ports import AlreadyExists, EventBus, RecordStore, Stored
from blocks.queries import every
from blocks.updates import update

_RANK: dict[ClaimStatus, int] = {
    "found": 0,
    "matched": 1,
    "prompted": 2,
    "review": 2,
    "submitted": 3,
    "declined": 4,
    "rejected": 4,
    "paid": 5,
}


def may_follow(current: ClaimStatus, wanted: ClaimStatus) -> bool:
    """A claim moves on; only a submission follows a rejection, or a no, as a new attempt."""
    if wanted == "submitted" and current in ("rejected", "declined"):
        return True
    return _RANK[wanted] > _RANK[current]


async def name_claim(
    store: RecordStore, bus: EventBus, journey: ExecutionRecord, found: Claim
) -> Stored[ClaimRecord]:
    """The claim belongs to this journey, with what the sync knows of it.

    One that had a journey of its own joins this one with its phases; that journey is woken, and
    ends when it has no claim left. A claim that another sync has named stays there.
    """
    key = ids.claim_key(journey.tenant_id, journey_input(journey).user_id, found.claim_id)

    async def named() -> Stored[ClaimRecord]:
        facts = _facts(found)
        try:
            return await store.create(journey.tenant_id, _new(key, journey, found.claim_id, facts))
        except AlreadyExists:
            stored = await store.read(journey.tenant_id, ClaimRecord, key)
        claim = stored.record
        if claim.execution_id != journey.id:
            other = await store.read(claim.tenant_id, ExecutionRecord, claim.execution_id)
            if not journey_input(other.record).named_by_claim:
                return stored
            facts |= {
                "execution_id": journey.id,
                "sync_id": journey_input(journey).sync_id,
                "joined_from": [*claim.joined_from, claim.execution_id],
            }
        changed = replace(claim, **facts)
        if changed == claim:
            return stored
        changed = replace(changed, updated_at=utc_now())
        return await store.replace(claim.tenant_id, stored.etag, changed)

    claim = await update(named, f"claim {found.claim_id}")
    for former in claim.record.joined_from:
        await _move_phases(store, claim.record, former)
        await journeys.wake(store, bus, journey.tenant_id, former)
    return claim


async def move_on(
    store: RecordStore, tenant_id: str, key: str, status: ClaimStatus, **changes: Any
) -> Stored[ClaimRecord]:
    """The claim has this status and these changes, or stays as it is if that does not follow."""

    async def moved() -> Stored[ClaimRecord]:
        stored = await store.read(tenant_id, ClaimRecord, key)
        if not may_follow(stored.record.status, status):
            return stored
        changed = replace(stored.record, status=status, updated_at=utc_now(), **changes)
        return await store.replace(tenant_id, stored.etag, changed)

    return await update(moved, f"claim {key}")


async def _move_phases(store: RecordStore, claim: ClaimRecord, former: str) -> None:
    of_claim = {"execution_id": former}
    async for stored in every(store, claim.tenant_id, PhaseRecord, of_claim):
        if stored.record.claim_key == claim.id:
            await update(lambda id=stored.record.id: _move_phase(store, claim, id), "a phase")


async def _move_phase(store: RecordStore, claim: ClaimRecord, id: str) -> None:
    stored = await store.read(claim.tenant_id, PhaseRecord, id)
    if stored.record.execution_id == claim.execution_id:
        return
    moved = replace(stored.record, execution_id=claim.execution_id, sync_id=claim.sync_id)
    await store.replace(claim.tenant_id, stored.etag, moved)


def _facts(found: Claim) -> dict[str, Any]:
    """What the sync has said; what it left out is not changed."""
    stated = {
        "claim_type": found.claim_type,
        "amount_cents": found.amount_cents,
        "confidence": found.confidence or None,
        "details": found.details,
    }
    facts = {name: value for name, value in stated.items() if value}
    return {**facts, "currency": found.currency, "is_sandbox": found.is_sandbox}


def _new(key: str, journey: ExecutionRecord, claim_id: str, facts: dict[str, Any]) -> ClaimRecord:
    now, of = utc_now(), journey_input(journey)
    return ClaimRecord(
        id=key,
        tenant_id=journey.tenant_id,
        created_at=now,
        updated_at=now,
        claim_id=claim_id,
        user_id=of.user_id,
        execution_id=journey.id,
        sync_id=of.sync_id,
        status="found",
        **facts,
    )
