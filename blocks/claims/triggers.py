"""A trigger of a phase becomes a request on record, or has no effect because it came before.

| the phase's record | the same content | other content |
| --- | --- | --- |
| none | requested | requested |
| requested, not begun | repeated | merged into it (lists of phases 3 and 4), else in its place |
| running | repeated | queued: the next round |
| completed | repeated | the next round; of a payout, or a paid claim: ignored, on the log |
| failed | requested once more | the next round |

Late and skipped phases are no special case: each is accepted whenever it comes. Of a cancelled
journey, every trigger is ignored: a person has ended it.
"""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec.structs import replace

from blocks.claims import journeys, log
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.findings import Claim, Match
from blocks.contracts.claims.phases import PHASES
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseLogEntry, PhaseRecord
from blocks.ports import AlreadyExists, EventBus, NotFound, RecordStore, Stored
from blocks.tenants.directory import enter_in_directory
from blocks.updates import update

Outcome = Literal["requested", "repeated", "queued", "ignored"]


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a trigger; it is on record in any case but `repeated`."""

    execution_id: str
    phase_record_id: str
    outcome: Outcome
    sync_id: str
    """The journey's, which a claim's trigger may have called otherwise."""


async def accept(
    store: RecordStore,
    bus: EventBus,
    tenant_id: str,
    trigger: PhaseTrigger,
    *,
    triggered_by: str = "api",
    actor: str | None = None,
    since: datetime | None = None,
) -> Accepted:
    """The trigger is durable, and whoever carries the journey finds it.

    `since`, of a phase that follows from another: when that one was requested. A request of the
    phase that came after it stands, whatever its content. Raises `Unavailable`.
    """
    await enter_in_directory(store, tenant_id)
    claim = await _claim_of(store, tenant_id, trigger)
    journey = await _journey_of(store, tenant_id, trigger, claim, actor)
    if claim is None and trigger.claim_id is not None:
        claim = await _new_claim(store, journey, trigger)
        if claim.execution_id != journey.id:  # another trigger of the claim was first
            journey = (await store.read(tenant_id, ExecutionRecord, claim.execution_id)).record
    owner = claim.id if claim else journey.id
    record_id = ids.phase_record_id(owner, trigger.phase)
    requested = _new_phase(record_id, journey, trigger, claim, triggered_by)
    if journey.status == "cancelled":
        await _log_ignored(store, bus, requested, "the journey was cancelled")
        outcome: Outcome = "ignored"
    else:
        outcome = await update(
            lambda: _request(store, bus, requested, claim, since), f"phase {record_id}"
        )
    if outcome in ("requested", "queued"):
        await journeys.wake(store, bus, tenant_id, journey.id, actor=actor)
    return Accepted(
        execution_id=journey.id,
        phase_record_id=record_id,
        outcome=outcome,
        sync_id=requested.sync_id,
    )


async def _claim_of(
    store: RecordStore, tenant_id: str, trigger: PhaseTrigger
) -> ClaimRecord | None:
    if trigger.claim_id is None:
        return None
    key = ids.claim_key(tenant_id, trigger.user_id, trigger.claim_id)
    try:
        return (await store.read(tenant_id, ClaimRecord, key)).record
    except NotFound:
        return None


async def _journey_of(
    store: RecordStore,
    tenant_id: str,
    trigger: PhaseTrigger,
    claim: ClaimRecord | None,
    actor: str | None,
) -> ExecutionRecord:
    if claim is not None:
        return (await store.read(tenant_id, ExecutionRecord, claim.execution_id)).record
    return await journeys.open_journey(store, tenant_id, trigger, actor=actor)


async def _new_claim(
    store: RecordStore, journey: ExecutionRecord, trigger: PhaseTrigger
) -> ClaimRecord:
    """A claim that no sync has named, in a journey of its own."""
    assert trigger.claim_id is not None
    now = utc_now()
    claim = ClaimRecord(
        id=ids.claim_key(journey.tenant_id, trigger.user_id, trigger.claim_id),
        tenant_id=journey.tenant_id,
        created_at=now,
        updated_at=now,
        claim_id=trigger.claim_id,
        user_id=trigger.user_id,
        execution_id=journey.id,
        sync_id=str(journey.input["syncId"]),
        status="found",
        currency=trigger.currency,
    )
    try:
        return (await store.create(journey.tenant_id, claim)).record
    except AlreadyExists:
        return (await store.read(journey.tenant_id, ClaimRecord, claim.id)).record


def _new_phase(
    record_id: str,
    journey: ExecutionRecord,
    trigger: PhaseTrigger,
    claim: ClaimRecord | None,
    triggered_by: str,
) -> PhaseRecord:
    now = utc_now()
    return PhaseRecord(
        id=record_id,
        tenant_id=journey.tenant_id,
        created_at=now,
        requested_at=now,
        execution_id=journey.id,
        user_id=trigger.user_id,
        sync_id=str(journey.input["syncId"]),
        phase=trigger.phase,
        claim_key=claim.id if claim else None,
        status="requested",
        trigger=trigger,
        triggered_by=triggered_by,
    )


async def _request(
    store: RecordStore,
    bus: EventBus,
    requested: PhaseRecord,
    claim: ClaimRecord | None,
    since: datetime | None,
) -> Outcome:
    try:
        stored = await store.read(requested.tenant_id, PhaseRecord, requested.id)
    except NotFound:
        if reason := _ignored_for(requested, claim):
            await _log_ignored(store, bus, requested, reason)
            return "ignored"
        await store.create(requested.tenant_id, requested)
        return "requested"
    known = stored.record
    if since is not None and known.requested_at >= since:
        return "repeated"
    if known.status != "failed" and requested.trigger.digest in _digests(known):
        return "repeated"
    if reason := _ignored_for(requested, claim, known):
        await _log_ignored(store, bus, requested, reason)
        return "ignored"
    match known.status:
        case "requested":
            merged = _merged(known.trigger, requested.trigger)
            await _replace(store, stored, trigger=merged)
            return "requested"
        case "running":
            following = known.next_trigger
            merged = _merged(following, requested.trigger) if following else requested.trigger
            await _replace(store, stored, next_trigger=merged)
            return "queued"
    await _replace(store, stored, **next_round(known, requested.trigger, requested.triggered_by))
    return "requested"


def next_round(known: PhaseRecord, trigger: PhaseTrigger, triggered_by: str) -> dict[str, object]:
    """The changes that request an ended phase once more."""
    return {
        "status": "requested",
        "round": known.round + 1,
        "trigger": trigger,
        "next_trigger": None,
        "triggered_by": triggered_by,
        "requested_at": utc_now(),
        "started_at": None,
        "completed_at": None,
        "attempts": 0,
        "result": None,
        "message": None,
        "error": None,
        "error_code": None,
        "announced_at": None,
        "cleaned_at": None,
    }


def _digests(known: PhaseRecord) -> set[str]:
    return {one.digest for one in (known.trigger, known.next_trigger) if one}


def _ignored_for(
    requested: PhaseRecord, claim: ClaimRecord | None, known: PhaseRecord | None = None
) -> str | None:
    """Why a trigger is out of the question: money moves once, and by the first amount."""
    if requested.phase == 7 and known is not None:
        if _payout(requested.trigger) != _payout(known.trigger):
            return "the first amount of a payout counts"
        if known.status in ("running", "completed"):
            return "a payout is made once"
    if requested.phase in (5, 6) and claim and claim.status == "paid":
        return "the claim is paid"
    return None


def _payout(trigger: PhaseTrigger) -> tuple[int | None, str]:
    return trigger.amount_cents, trigger.currency


def _merged(earlier: PhaseTrigger, later: PhaseTrigger) -> PhaseTrigger:
    """The later one, with the claims and matches that only the earlier named."""
    claims: dict[str, Claim] = {one.claim_id: one for one in [*earlier.claims, *later.claims]}
    matches: dict[str, Match] = {one.claim_id: one for one in [*earlier.matches, *later.matches]}
    return replace(later, claims=list(claims.values()), matches=list(matches.values()))


async def _replace(store: RecordStore, stored: Stored[PhaseRecord], **changes: object) -> None:
    record = replace(stored.record, **changes)
    await store.replace(record.tenant_id, stored.etag, record)


async def _log_ignored(
    store: RecordStore, bus: EventBus, requested: PhaseRecord, reason: str
) -> None:
    digest = requested.trigger.digest
    title = PHASES[requested.phase].title
    entry = PhaseLogEntry(
        id=ids.phase_log_id(requested.id, 0, f"ignored-{digest}"),
        tenant_id=requested.tenant_id,
        created_at=requested.requested_at,
        execution_id=requested.execution_id,
        user_id=requested.user_id,
        sync_id=requested.sync_id,
        phase=requested.phase,
        claim_key=requested.claim_key,
        claim_id=requested.trigger.claim_id,
        round=0,
        mark="ignored",
        triggered_by=requested.triggered_by,
        message=f"{title}: a trigger was ignored: {reason}",
    )
    await log.write(store, bus, entry)
