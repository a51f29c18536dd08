"""Claims: named by a sync, joined to its journey, and moved on; their status never goes back."""

from typing import Any

from msgspec.structs import replace

from blocks.claims import journeys, moving
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.findings import Claim
from blocks.contracts.claims.money import Currency
from blocks.contracts.claims.workflow import journey_input
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, ClaimStatus
from blocks.ports import AlreadyExists, EventBus, NotFound, RecordStore, Stored
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


_CURRENCY_LEFT_OUT: Currency = "usd"


def may_follow(current: ClaimStatus, wanted: ClaimStatus) -> bool:
    """A claim moves on; only a submission follows a rejection, or a no, as a new attempt."""
    if wanted == "submitted" and current in ("rejected", "declined"):
        return True
    return _RANK[wanted] > _RANK[current]


async def name_claim(
    store: RecordStore, bus: EventBus, journey: ExecutionRecord, found: Claim
) -> Stored[ClaimRecord]:
    """The claim belongs to this journey, with what the sync knows of it.

    One that had a journey of its own joins this one with its phases and prompts; that journey is
    woken, and ends when it has no claim left. A claim that another sync has named stays there.
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
            if not await _has_own_journey(store, claim):
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
    await moving.bring_all(store, claim.record)
    for former in claim.record.joined_from:
        await wake_former(store, bus, journey.tenant_id, former)
    return claim


async def wake_former(store: RecordStore, bus: EventBus, tenant_id: str, former: str) -> None:
    """A journey that a claim has left comes to its end; one that has ended is left in peace."""
    try:
        journey = await store.read(tenant_id, ExecutionRecord, former)
    except NotFound:  # the trigger that names the claim first has not opened it yet
        return
    if not journey.record.is_terminal:
        await journeys.wake(store, bus, tenant_id, former)


async def move_on(
    store: RecordStore, tenant_id: str, key: str, status: ClaimStatus, **changes: Any
) -> Stored[ClaimRecord]:
    """The claim has this status and these changes, or stays as it is if that does not follow."""

    async def moved() -> Stored[ClaimRecord]:
        stored = await store.read(tenant_id, ClaimRecord, key)
        if not may_follow(stored.record.status, status):
            return stored
        if status == "submitted" and _was_refused(stored.record, changes.get("amazon_case_id")):
            return stored
        changed = replace(stored.record, status=status, updated_at=utc_now(), **changes)
        return await store.replace(tenant_id, stored.etag, changed)

    return await update(moved, f"claim {key}")


async def name_case(store: RecordStore, tenant_id: str, key: str, case_id: str) -> None:
    """The claim has a case at Amazon: this one, unless it had one before. Services that submit by
    themselves often learn its number later.
    """

    async def named() -> None:
        stored = await store.read(tenant_id, ClaimRecord, key)
        if stored.record.amazon_case_id is None:
            changed = replace(stored.record, amazon_case_id=case_id, updated_at=utc_now())
            await store.replace(tenant_id, stored.etag, changed)

    await update(named, f"claim {key}")


def _was_refused(claim: ClaimRecord, case_id: str | None) -> bool:
    """Whether it is the submission that the rejection, which came before it, was about."""
    return claim.status == "rejected" and case_id is not None and case_id == claim.amazon_case_id


async def _has_own_journey(store: RecordStore, claim: ClaimRecord) -> bool:
    """Whether no sync has named it: its journey knows of no sync, whatever its sync id is."""
    try:
        stored = await store.read(claim.tenant_id, ExecutionRecord, claim.execution_id)
    except NotFound:
        return True
    return not await journeys.knows_a_sync(store, stored.record)


def _facts(found: Claim) -> dict[str, Any]:
    """What the sync has said; what it left out is not changed."""
    stated = {
        "claim_type": found.claim_type,
        "amount_cents": found.amount_cents,
        "confidence": found.confidence or None,
        "details": found.details,
    }
    facts = {name: value for name, value in stated.items() if value}
    if found.amount_cents is not None or found.currency != _CURRENCY_LEFT_OUT:
        facts["currency"] = found.currency
    return facts | {"is_sandbox": True} if found.is_sandbox else facts


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
