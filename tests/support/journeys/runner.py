"""Carries a journey as its flow does, with services that answer as a test wants.

Whatever carries a journey keeps this order: its ETag is read before its phases, ends that a crash
left are announced, follow-ons are requested before the phase that they follow from ends.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from blocks.claims import claims, journeys, moving, requests, rest, rounds, triggers
from blocks.clock import utc_now
from blocks.contracts.claims.findings import Claim, Match
from blocks.contracts.claims.phases import PhaseNumber
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.claims.workflow import journey_input
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseRecord
from blocks.executions import transitions
from blocks.ports import EventBus, RecordStore, Stale, Stored

Fails = Callable[[PhaseRecord], bool]


class Carry(Protocol):
    """What the machine drives: this runner, or the real flow."""

    async def __call__(
        self, store: RecordStore, bus: EventBus, tenant_id: str, execution_id: str, fails: Fails
    ) -> None: ...


async def carry(
    store: RecordStore, bus: EventBus, tenant_id: str, execution_id: str, fails: Fails
) -> None:
    """The journey is carried until it rests or has ended."""
    stored = await store.read(tenant_id, ExecutionRecord, execution_id)
    if stored.record.status == "pending":
        moved = await transitions.move(
            store, stored, "running", attempt=stored.record.attempt + 1, started_at=utc_now()
        )
        await _request_failed_ones(store, moved.record)
    for _ in range(200):
        stored = await store.read(tenant_id, ExecutionRecord, execution_id)
        if stored.record.status != "running":
            break
        phases = await journeys.phases_of(store, tenant_id, execution_id)
        due = [phase for phase in phases if phase.record.is_due]
        try:
            if due:
                await _do(store, bus, stored.record, due[0], fails)
            else:
                await _rest(store, stored, [phase.record for phase in phases])
        except Stale:
            continue
    else:
        raise AssertionError("the journey comes to no rest")
    stored = await store.read(tenant_id, ExecutionRecord, execution_id)
    if stored.record.is_terminal:
        await transitions.announce(store, bus, [stored])


async def _request_failed_ones(store: RecordStore, execution: ExecutionRecord) -> None:
    phases = await journeys.phases_of(store, execution.tenant_id, execution.id)
    standing = {one.id for one in rest.standing_failures([phase.record for phase in phases])}
    for phase in phases:
        known = phase.record
        if known.id in standing and known.announced_at and known.retry < execution.retries:
            once_more = requests.next_round(known, known.trigger, "retry")
            await store.replace(known.tenant_id, phase.etag, replace(known, **once_more))


async def _rest(
    store: RecordStore, stored: Stored[ExecutionRecord], phases: list[PhaseRecord]
) -> None:
    of = journey_input(stored.record)
    named = await journeys.claims_of(store, stored.record.tenant_id, stored.record.id)
    if await moving.bring_phases(store, [claim.record for claim in named]):
        return
    at_rest = rest.rest_of(of, phases, [claim.record for claim in named])
    if at_rest is None:
        return
    match at_rest.status:
        case "waiting":
            await transitions.move(store, stored, "waiting", failed_step=at_rest.failed_step)
        case "completed":
            await transitions.complete(store, stored, results=at_rest.results, failed_step=None)
        case "failed":
            code, error = at_rest.error_code or "", at_rest.error or ""
            await transitions.fail(store, stored, code, error, failed_step=at_rest.failed_step)


async def _do(
    store: RecordStore,
    bus: EventBus,
    execution: ExecutionRecord,
    phase: Stored[PhaseRecord],
    fails: Fails,
) -> None:
    others = await journeys.phases_of(store, execution.tenant_id, execution.id)
    previous = _previous(phase.record, [other.record for other in others])
    if phase.record.status in ("completed", "failed"):
        await rounds.announce(store, bus, phase, previous=previous)
        return
    begun = await rounds.begin(store, bus, phase, previous=previous, retry=execution.retries)
    if fails(begun.record) and not await _is_paid(store, begun.record):
        await rounds.fail(store, bus, begun, "broken", "the service is down", previous=previous)
        return
    await _work(store, bus, execution, begun.record)
    completes = False
    if phase.record.phase == 7:
        completes = await _completes(store, execution, begun.record)
    await rounds.complete(
        store, bus, begun, {}, "done", previous=previous, completes_sync=completes
    )


async def _is_paid(store: RecordStore, phase: PhaseRecord) -> bool:
    """Whether phase 7 has no more to ask for."""
    if phase.phase != 7 or phase.claim_key is None:
        return False
    return (await store.read(phase.tenant_id, ClaimRecord, phase.claim_key)).record.status == "paid"


async def _completes(store: RecordStore, execution: ExecutionRecord, phase: PhaseRecord) -> bool:
    phases = await journeys.phases_of(store, execution.tenant_id, execution.id)
    named = await journeys.claims_of(store, execution.tenant_id, execution.id)
    return rest.completes_sync(
        journey_input(execution),
        [one.record for one in phases],
        [one.record for one in named],
        phase.claim_key or "",
    )


def _previous(phase: PhaseRecord, others: list[PhaseRecord]) -> PhaseNumber | None:
    before = [one for one in others if one.phase < phase.phase and one.status == "completed"]
    return max((one.phase for one in before), default=None)


async def _work(
    store: RecordStore, bus: EventBus, execution: ExecutionRecord, phase: PhaseRecord
) -> None:
    trigger, of = phase.trigger, journey_input(execution)

    async def follow(**changes: object) -> None:
        fields = {"user_id": of.user_id, "sync_id": of.sync_id, "names_sync": True, **changes}
        await triggers.accept(
            store,
            bus,
            phase.tenant_id,
            PhaseTrigger(**fields),  # type: ignore[arg-type]  # the fields are a test's own
            triggered_by=f"phase_{phase.phase}",
            since=phase.requested_at,
        )

    match phase.phase:
        case 1:
            await follow(phase=2)
        case 2:
            await follow(phase=3, claims=[Claim(claim_id="c-1"), Claim(claim_id="c-2")])
        case 3:
            for found in trigger.claims:
                await claims.name_claim(store, bus, execution, found)
            matches = [Match(claim_id=one.claim_id, confidence=0.9) for one in trigger.claims]
            await follow(phase=4, matches=matches)
        case 4:
            for match in trigger.matches:
                named = await claims.name_claim(
                    store, bus, execution, Claim(claim_id=match.claim_id)
                )
                await _route(store, named.record, match, follow)
        case 5 | 6 | 7:
            await _settle(store, phase)


async def _route(
    store: RecordStore,
    claim: ClaimRecord,
    match: Match,
    follow: Callable[..., object],
) -> None:
    if match.confidence < 0.85:
        await claims.move_on(store, claim.tenant_id, claim.id, "prompted")
        return
    await claims.move_on(store, claim.tenant_id, claim.id, "matched")
    await follow(phase=5, claim_id=claim.claim_id)  # type: ignore[misc]  # a coroutine


async def _settle(store: RecordStore, phase: PhaseRecord) -> None:
    assert phase.claim_key is not None
    status, case_id = {5: "submitted", 6: "rejected", 7: "paid"}, phase.trigger.amazon_case_id
    await claims.move_on(
        store,
        phase.tenant_id,
        phase.claim_key,
        status[phase.phase],  # type: ignore[arg-type]  # the three that there are
        **({"amazon_case_id": case_id} if case_id else {}),
    )
