"""What a trigger is to its phase's record: a request, one that waits its turn, or nothing new.

| the phase's record | the same content | other content |
| --- | --- | --- |
| none | requested | requested |
| requested, not begun | repeated | merged into it (lists of phases 3 and 4), else in its place |
| running, or its end not announced | repeated | queued: the next round |
| completed | repeated | the next round; of a paid claim: ignored, on the log |
| failed | requested once more | the next round |

A payout of another amount or currency than the first is ignored, and on the log, in each of them.
"""

from contextlib import suppress
from datetime import datetime
from typing import Literal

import msgspec
from msgspec.structs import replace

from blocks.claims import log
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.findings import FINDINGS_MAX, Claim, Match
from blocks.contracts.claims.phases import PHASES
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.reading.uuids import matching_id
from blocks.contracts.records.claims import ClaimRecord, PhaseLogEntry, PhaseRecord
from blocks.ports import AlreadyExists, EventBus, NotFound, RecordStore, Stored, Unavailable

Outcome = Literal["requested", "repeated", "queued", "ignored"]

_TRIGGER_BYTES_MAX = 700_000
"""A record has two, and 2,000,000 bytes at most."""


async def request(
    store: RecordStore,
    bus: EventBus,
    requested: PhaseRecord,
    claim: ClaimRecord | None,
    since: datetime | None,
) -> Outcome:
    reason = _ignored_for(requested, claim)
    if reason is None:
        with suppress(AlreadyExists):  # most likely it is new: one call instead of two
            await store.create(requested.tenant_id, requested)
            return "requested"
    try:
        stored = await store.read(requested.tenant_id, PhaseRecord, requested.id)
    except NotFound:
        await log_ignored(store, bus, requested, reason or "")
        return "ignored"
    known = stored.record
    if since is not None and known.requested_at >= since:
        rest = _rest_of(requested.trigger, known)
        if requested.triggered_by in _causes(known) or not (rest.claims or rest.matches):
            return "repeated"
        if known.status == "failed":  # and what has failed is in the next round, too
            rest = _merged(known.trigger, rest, known.sync_id)
        requested = replace(requested, trigger=rest)
    if known.status != "failed" and requested.trigger.digest in _digests(known):
        return "repeated"
    if reason := _ignored_for(requested, claim, known):
        await log_ignored(store, bus, requested, reason)
        return "ignored"
    if known.status == "requested":
        merged = _merged(known.trigger, requested.trigger, known.sync_id)
        await _replace(store, stored, trigger=merged)
        return "requested"
    if known.is_due:  # also one that has ended, whose end is not on the log yet
        following = known.next_trigger
        merged = (
            _merged(following, requested.trigger, known.sync_id) if following else requested.trigger
        )
        await _replace(store, stored, next_trigger=merged, next_triggered_by=requested.triggered_by)
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
        "next_triggered_by": "api",
        "triggered_by": triggered_by,
        # A log in order even if the clock was put back.
        "requested_at": max(utc_now(), known.completed_at or known.requested_at),
        "started_at": None,
        "completed_at": None,
        "attempts": 0,
        "result": None,
        "message": None,
        "error": None,
        "error_code": None,
        "previous_phase": None,
        "completes_sync": False,
        "announced_at": None,
        "cleaned_at": None,
    }


def _rest_of(trigger: PhaseTrigger, known: PhaseRecord) -> PhaseTrigger:
    """The trigger, of those claims alone that were not requested before: what was stands."""
    before = [one for one in (known.trigger, known.next_trigger) if one]
    found = {matching_id(claim.claim_id) for one in before for claim in one.claims}
    matched = {matching_id(match.claim_id) for one in before for match in one.matches}
    return replace(
        trigger,
        claims=[one for one in trigger.claims if matching_id(one.claim_id) not in found],
        matches=[one for one in trigger.matches if matching_id(one.claim_id) not in matched],
    )


def _causes(known: PhaseRecord) -> set[str]:
    return {known.triggered_by, *([known.next_triggered_by] if known.next_trigger else [])}


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


def _merged(earlier: PhaseTrigger, later: PhaseTrigger, sync_id: str) -> PhaseTrigger:
    """The later one, with the claims and matches that only the earlier named, and under another
    name of the sync if one of them has it. Raises `Unavailable` when it is too much for a record:
    later, a part of it will have been done.
    """
    found: dict[str, Claim] = {one.claim_id: one for one in [*earlier.claims, *later.claims]}
    matches: dict[str, Match] = {one.claim_id: one for one in [*earlier.matches, *later.matches]}
    if len(found) > FINDINGS_MAX or len(matches) > FINDINGS_MAX:
        raise Unavailable(f"phase {later.phase} has not begun what it was given before")
    named = earlier if later.sync_id == sync_id else later
    merged = replace(
        later,
        sync_id=named.sync_id,
        claims=list(found.values()),
        matches=list(matches.values()),
    )
    if len(msgspec.json.encode(merged)) > _TRIGGER_BYTES_MAX:
        raise Unavailable(f"phase {later.phase} has not begun what it was given before")
    return merged


async def _replace(store: RecordStore, stored: Stored[PhaseRecord], **changes: object) -> None:
    record = replace(stored.record, **changes)
    await store.replace(record.tenant_id, stored.etag, record)


async def log_ignored(
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
