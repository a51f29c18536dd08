"""A trigger of a phase becomes a request on record, or has no effect because it came before.

What it is to its phase's record: `blocks.claims.requests`. Late and skipped phases are no special
case: each is accepted whenever it comes. Of a cancelled journey, every trigger is ignored: a person
has ended it.
"""

import asyncio
from collections.abc import Collection
from datetime import datetime

import msgspec
from msgspec.structs import replace

from blocks.claims import claims, journeys, moving, requests
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.findings import Match
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.claims.workflow import journey_input
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseRecord
from blocks.ports import (
    AlreadyExists,
    EventBus,
    NotFound,
    RecordStore,
    Unavailable,
    UnreadableRecord,
)
from blocks.processes import fault_points
from blocks.queries import every, those
from blocks.tenants.directory import enter_in_directory
from blocks.updates import update


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a trigger; it is on record in any case but `repeated`."""

    execution_id: str
    phase_record_id: str
    outcome: requests.Outcome
    sync_id: str
    """The journey's, which the trigger may have called otherwise."""


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
    phase that came after it stands, and has what it lacks of the claims. Of matches for several
    journeys, each accepts its own; returns what became of the last. Raises `Unavailable`, and
    `UnreadableRecord`; what was accepted then is accepted.
    """
    await enter_in_directory(store, tenant_id)
    trigger = await _of_open_onboarding(store, tenant_id, trigger)
    accepted: list[Accepted] = []
    failure: UnreadableRecord | Unavailable | None
    parts, failure = await _by_sync(store, tenant_id, trigger)
    for sync_id, part in parts:
        try:
            accepted.append(
                await _accept(store, bus, tenant_id, sync_id, part, triggered_by, actor, since)
            )
        except (Unavailable, UnreadableRecord) as error:  # the other journeys have theirs
            failure = failure or error
    if failure:
        raise failure
    return accepted[-1]


async def _accept(
    store: RecordStore,
    bus: EventBus,
    tenant_id: str,
    sync_id: str,
    trigger: PhaseTrigger,
    triggered_by: str,
    actor: str | None,
    since: datetime | None,
) -> Accepted:
    claim = await _claim_of(store, tenant_id, trigger)
    trigger = await _in_currency_of(store, claim, trigger)
    of_journey = replace(trigger, sync_id=claim.sync_id if claim else sync_id)
    new = journeys.new_journey(tenant_id, of_journey, actor=actor)
    known = await journeys.find_journey(store, new)
    journey = known.record if known else new
    trigger = await _of_seller(store, journey, trigger)
    owner = claim.id if claim else journey.id
    record_id = ids.phase_record_id(owner, trigger.phase)
    requested = _new_phase(record_id, journey, trigger, claim, triggered_by)
    if journey.status == "cancelled":
        await requests.log_ignored(store, bus, requested, "the journey was cancelled")
        outcome: requests.Outcome = "ignored"
    else:
        requesting = update(
            lambda: requests.request(store, bus, requested, claim, since), f"phase {record_id}"
        )
        if known:
            outcome = await requesting
        else:  # side by side: the caller waits for both
            outcome, _ = await asyncio.gather(requesting, journeys.open_journey(store, new))
    fault_points.reached("after-trigger")
    joined = await _follow(store, bus, claim, journey, record_id) if claim else journey
    if outcome in ("requested", "queued") or await _is_begun_by_none(store, requested, outcome):
        seen = known if joined.id == journey.id else None
        await journeys.wake(store, bus, tenant_id, joined.id, actor=actor, known=seen)
    return Accepted(
        execution_id=joined.id,
        phase_record_id=record_id,
        outcome=outcome,
        sync_id=str(joined.input["syncId"]),
    )


async def _of_open_onboarding(
    store: RecordStore, tenant_id: str, trigger: PhaseTrigger
) -> PhaseTrigger:
    """An onboarding that names no sync, sent again while it is open, is of the sync of before.

    Source: the platform's orchestrator. Otherwise a caller's retry would start a second sync.
    """
    if trigger.phase != 1 or trigger.names_sync:
        return trigger
    begun_by_default = f"oauth_{trigger.user_id}_"
    is_open = {"user_id": trigger.user_id, "phase": 1, "status": ("requested", "running")}
    async for one in every(store, tenant_id, PhaseRecord, is_open):
        if one.record.sync_id.startswith(begun_by_default):
            return replace(trigger, sync_id=one.record.sync_id)
    return trigger


async def _by_sync(
    store: RecordStore, tenant_id: str, trigger: PhaseTrigger
) -> tuple[list[tuple[str, PhaseTrigger]], UnreadableRecord | None]:
    """The sync id of each journey that the trigger is for, and its part of it: the same, but for
    matches under a sync id that no journey has. Those are of the syncs that have named their
    claims, and what no sync has named is with the newest, if possible one that was not cancelled.

    With an error, a claim or its journey cannot be read: what is of no other journey is left out.

    Source: the platform's matching worker, which calls the sync by the id of its own job. Otherwise
    the journey that found the claims would wait for its phase 4 for ever.
    """
    as_sent = [(trigger.sync_id, trigger)]
    if trigger.phase != 4 or not trigger.matches:
        return as_sent, None
    if await journeys.find_journey(store, journeys.new_journey(tenant_id, trigger)) is not None:
        return as_sent, None
    left: dict[str, Match] = {}
    for match in trigger.matches:
        key = ids.claim_key(tenant_id, trigger.user_id, match.claim_id)
        if key not in left or left[key].confidence < match.confidence:
            left[key] = match
    named, unread = await _named_of(store, tenant_id, left)
    of_claims = {claim.id: claim.execution_id for claim in named}
    of_syncs, problem = await journeys.of_syncs(store, tenant_id, set(of_claims.values()))
    parts: dict[str, list[Match]] = {journey.id: [] for journey in of_syncs}
    for key in [key for key in left if of_claims.get(key) in parts]:
        parts[of_claims[key]].append(left.pop(key))
    if unread is None and problem is None:
        if not of_syncs:
            return as_sent, None
        living = [journey for journey in of_syncs if journey.status != "cancelled"]
        parts[(living or of_syncs)[-1].id] += left.values()
    split = [
        (journey_input(journey).sync_id, replace(trigger, matches=parts[journey.id]))
        for journey in of_syncs
    ]
    return split, unread or problem


async def _named_of(
    store: RecordStore, tenant_id: str, keys: Collection[str]
) -> tuple[list[ClaimRecord], UnreadableRecord | None]:
    """The claims under these keys; and the error, if one cannot be read."""
    try:
        found, problem = await those(store, tenant_id, ClaimRecord, keys), None
    except UnreadableRecord as error:
        found = await those(store, tenant_id, ClaimRecord, keys, skips_unreadable=True)
        problem = error
    return [claim.record for claim in found.values()], problem


async def _in_currency_of(
    store: RecordStore, claim: ClaimRecord | None, trigger: PhaseTrigger
) -> PhaseTrigger:
    """The platform's callers name no currency: what was found in euros is paid in euros, and a
    repetition is in the currency of the first. Of a claim that is not found yet, the platform's
    US dollars are noted, and the claim decides when it is charged.
    """
    if claim is None or trigger.phase != 7 or trigger.names_currency:
        return trigger
    try:
        id = ids.phase_record_id(claim.id, 7)
        first = (await store.read(claim.tenant_id, PhaseRecord, id)).record
    except NotFound:
        return replace(trigger, currency=claim.currency)
    paid = first.trigger
    return replace(trigger, currency=paid.currency, names_currency=paid.names_currency)


async def _of_seller(
    store: RecordStore, journey: ExecutionRecord, trigger: PhaseTrigger
) -> PhaseTrigger:
    """A discovery that names no seller, as those from outside, is of the one whose data was synced:
    so it is the same as the one that follows from the onboarding.
    """
    if trigger.phase != 2 or trigger.seller_id:
        return trigger
    user_id = journey_input(journey).user_id
    try:
        onboarding = ids.phase_record_id(journey.id, 1)
        seller = (await store.read(journey.tenant_id, PhaseRecord, onboarding)).record.trigger
        return replace(trigger, seller_id=seller.seller_id or user_id)
    except NotFound:
        return replace(trigger, seller_id=journey_input(journey).seller_id or user_id)


async def _follow(
    store: RecordStore, bus: EventBus, claim: ClaimRecord, journey: ExecutionRecord, phase_id: str
) -> ExecutionRecord:
    """The claim's journey by now: a sync may have named the claim meanwhile, and moved only the
    phases that it saw.
    """
    now = (await store.read(claim.tenant_id, ClaimRecord, claim.id)).record
    try:
        await moving.bring_phase(store, now, phase_id)
    except NotFound:  # it was ignored
        return journey
    if now.execution_id == journey.id:
        return journey
    await claims.wake_former(store, bus, claim.tenant_id, journey.id)
    return (await store.read(claim.tenant_id, ExecutionRecord, now.execution_id)).record


async def _is_begun_by_none(
    store: RecordStore, requested: PhaseRecord, outcome: requests.Outcome
) -> bool:
    """Whether the call that this one repeats may have failed before it woke the journey."""
    if outcome != "repeated":
        return False
    known = await store.read(requested.tenant_id, PhaseRecord, requested.id)
    return known.record.status == "requested"


async def _claim_of(
    store: RecordStore, tenant_id: str, trigger: PhaseTrigger
) -> ClaimRecord | None:
    """Created before its journey, so that of several first triggers one decides which it is."""
    if trigger.claim_id is None:
        return None
    key = ids.claim_key(tenant_id, trigger.user_id, trigger.claim_id)
    try:
        return (await store.read(tenant_id, ClaimRecord, key)).record
    except NotFound:
        pass
    try:
        return (await store.create(tenant_id, _new_claim(key, tenant_id, trigger))).record
    except AlreadyExists:
        return (await store.read(tenant_id, ClaimRecord, key)).record


def _new_claim(key: str, tenant_id: str, trigger: PhaseTrigger) -> ClaimRecord:
    """A claim that no sync has named, in a journey of its own."""
    now, claim_id = utc_now(), trigger.claim_id
    assert claim_id is not None
    return ClaimRecord(
        id=key,
        tenant_id=tenant_id,
        created_at=now,
        updated_at=now,
        claim_id=claim_id,
        user_id=trigger.user_id,
        execution_id=ids.journey_id(tenant_id, trigger.user_id, trigger.sync_id),
        sync_id=trigger.sync_id,
        status="found",
        currency=trigger.currency,
    )


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
