"""What becomes of a trigger: every row of the table, claims that are joined, many at once."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.claims import claims, journeys, log, rounds, triggers
from blocks.contracts import ids
from blocks.contracts.claims.findings import Claim
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.records import ExecutionRecord, Record
from blocks.contracts.records.claims import ClaimRecord, PhaseRecord
from blocks.executions import transitions
from blocks.ports import EventBus, NotFound, RecordStore, Stored, UnreadableRecord
from blocks.queries import every
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.journeys.triggers import A_USER, Died, Fuse, Fused, a_trigger
from tests.support.stores import put_unreadable

SYNC_1 = ids.journey_id(A_TENANT, A_USER, "sync-1")
C_1 = ids.claim_key(A_TENANT, A_USER, "c-1")


class Journey:
    """One tenant's triggers, and a worker that ends what they request."""

    def __init__(self, store: RecordStore, bus: EventBus) -> None:
        self.store, self.bus = store, bus

    async def accept(self, phase: int, /, **body: Any) -> triggers.Accepted:
        trigger = a_trigger(phase, **body)
        return await triggers.accept(self.store, self.bus, A_TENANT, trigger)

    async def phase(self, number: int, owner: str | None = None) -> Stored[PhaseRecord]:
        owner = owner or (SYNC_1 if number < 5 else C_1)
        return await self.store.read(A_TENANT, PhaseRecord, ids.phase_record_id(owner, number))

    async def claim(self, key: str = C_1) -> ClaimRecord:
        return (await self.store.read(A_TENANT, ClaimRecord, key)).record

    async def status(self, execution_id: str = SYNC_1) -> str:
        return (await self.store.read(A_TENANT, ExecutionRecord, execution_id)).record.status

    async def begin(self, number: int) -> Stored[PhaseRecord]:
        phase = await self.phase(number)
        return await rounds.begin(self.store, self.bus, phase, previous=None, retry=0)

    async def end(self, number: int, status: str) -> None:
        begun = await self.begin(number)
        if status == "completed":
            await rounds.complete(self.store, self.bus, begun, {}, "done", previous=None)
        else:
            await rounds.fail(self.store, self.bus, begun, "broken", "no", previous=None)

    async def ended_unannounced(self, number: int) -> None:
        begun = await self.begin(number)
        fuse = Fuse()
        fuse.set(2, is_done_first=False)
        with pytest.raises(Died):
            await rounds.complete(
                Fused(self.store, fuse), self.bus, begun, {}, "done", previous=None
            )

    async def name(self, sync: str = "sync-1", **facts: Any) -> Stored[ClaimRecord]:
        await self.accept(1, sync_id=sync)
        journey = await journeys.read_journey(self.store, A_TENANT, sync, A_USER)
        found = Claim(**{"claim_id": "c-1", **facts})
        return await claims.name_claim(self.store, self.bus, journey.record, found)

    async def cancel(self, sync: str) -> None:
        stored = await journeys.read_journey(self.store, A_TENANT, sync, A_USER)
        await transitions.cancel(self.store, stored, "not wanted")

    async def opened(self) -> list[str]:
        return [one.record.id async for one in every(self.store, A_TENANT, ExecutionRecord)]


@pytest.fixture
def journey(store: RecordStore, bus: EventBus) -> Journey:
    return Journey(store, bus)


async def _ready(journey: Journey, status: str) -> None:
    await journey.accept(2)
    match status:
        case "running":
            await journey.begin(2)
        case "completed" | "failed":
            await journey.end(2, status)
        case "unannounced":
            await journey.ended_unannounced(2)


@pytest.mark.parametrize(
    ("status", "outcome", "round"),
    [
        ("requested", "repeated", 1),
        ("running", "repeated", 1),
        ("unannounced", "repeated", 1),
        ("completed", "repeated", 1),
        ("failed", "requested", 2),
    ],
)
async def test_the_same_content_has_the_outcome_of_its_row(
    journey: Journey, status: str, outcome: str, round: int
) -> None:
    await _ready(journey, status)

    accepted = await journey.accept(2)

    assert (outcome, round) == (accepted.outcome, (await journey.phase(2)).record.round)


@pytest.mark.parametrize(
    ("status", "outcome", "round"),
    [
        ("requested", "requested", 1),
        ("running", "queued", 1),
        ("unannounced", "queued", 1),
        ("completed", "requested", 2),
        ("failed", "requested", 2),
    ],
)
async def test_other_content_has_the_outcome_of_its_row(
    journey: Journey, status: str, outcome: str, round: int
) -> None:
    await _ready(journey, status)

    accepted = await journey.accept(2, orders_count=7)

    phase = (await journey.phase(2)).record
    assert (outcome, round) == (accepted.outcome, phase.round)
    assert 7 == (phase.next_trigger or phase.trigger).orders_count


async def test_an_end_that_a_crash_left_is_on_the_log_before_the_next_round(
    journey: Journey,
) -> None:
    await _ready(journey, "unannounced")
    await journey.accept(2, orders_count=7)

    await rounds.announce(journey.store, journey.bus, await journey.phase(2), previous=None)

    lines = await log.entries(journey.store, A_TENANT, [SYNC_1])
    phase = (await journey.phase(2)).record
    assert [("started", 1), ("completed", 1)] == [(line.mark, line.round) for line in lines]
    assert ("requested", 2, 7) == (phase.status, phase.round, phase.trigger.orders_count)


async def test_the_next_round_names_what_queued_it(journey: Journey) -> None:
    await _ready(journey, "running")
    queued = a_trigger(2, orders_count=7)
    await triggers.accept(
        journey.store, journey.bus, A_TENANT, queued, triggered_by="api:claim-services"
    )
    begun = await journey.phase(2)
    assert "api" == begun.record.triggered_by

    await rounds.complete(journey.store, journey.bus, begun, {}, "done", previous=None)

    following = (await journey.phase(2)).record
    assert ("requested", "api:claim-services") == (following.status, following.triggered_by)
    await journey.end(2, "completed")
    lines = await log.entries(journey.store, A_TENANT, [SYNC_1])
    assert ["api", "api", "api:claim-services", "api:claim-services"] == [
        line.triggered_by for line in lines
    ]


async def test_what_is_not_begun_is_merged(journey: Journey) -> None:
    await journey.accept(3, claims=[{"claim_id": "a"}, {"claim_id": "b", "confidence": 0.1}])
    await journey.accept(3, claims=[{"claim_id": "b", "confidence": 0.9}, {"claim_id": "c"}])

    found = (await journey.phase(3)).record.trigger.claims

    assert {"a": 0.0, "b": 0.9, "c": 0.0} == {one.claim_id: one.confidence for one in found}


async def test_a_request_that_followed_before_stands(journey: Journey) -> None:
    await journey.accept(2)
    since = (await journey.phase(2)).record.requested_at
    for orders in (1, 2):
        trigger = a_trigger(3, claims=[{"claim_id": f"c-{orders}"}])
        accepted = await triggers.accept(
            journey.store, journey.bus, A_TENANT, trigger, triggered_by="phase_2", since=since
        )

    assert "repeated" == accepted.outcome
    assert ["c-1"] == [one.claim_id for one in (await journey.phase(3)).record.trigger.claims]


@pytest.mark.parametrize("status", ["requested", "running", "completed", "failed"])
async def test_the_first_amount_of_a_payout_counts(journey: Journey, status: str) -> None:
    first = await journey.accept(7, amount=100)
    if status == "running":
        await journey.begin(7)
    elif status != "requested":
        await journey.end(7, status)

    outcomes = [
        (await journey.accept(7, amount=amount, currency=currency)).outcome
        for amount, currency in ((99, None), (100, "eur"), (99, None))
    ]

    lines = await log.entries(journey.store, A_TENANT, [first.execution_id])
    assert ["ignored"] * 3 == outcomes
    assert 2 == sum(line.mark == "ignored" for line in lines)
    assert 10_000 == (await journey.phase(7)).record.trigger.amount_cents


@pytest.mark.parametrize(
    ("found", "named", "paid"),
    [("eur", None, "eur"), ("eur", "USD", "usd"), ("usd", "gbp", "gbp"), ("usd", "", "usd")],
)
async def test_a_payout_without_a_currency_is_in_that_of_the_claim(
    journey: Journey, found: Any, named: str | None, paid: str
) -> None:
    await journey.name(amount_cents=500, currency=found)

    await journey.accept(7, currency=named)

    assert paid == (await journey.phase(7)).record.trigger.currency


async def test_a_repetition_is_in_the_currency_of_the_first_payout(journey: Journey) -> None:
    await journey.accept(7)
    await journey.end(7, "failed")
    await journey.name(amount_cents=500, currency="eur")

    assert "requested" == (await journey.accept(7)).outcome
    assert "usd" == (await journey.phase(7)).record.trigger.currency


async def test_a_payout_that_failed_is_tried_once_more_and_one_that_was_made_is_not(
    journey: Journey,
) -> None:
    await journey.accept(7)
    await journey.end(7, "failed")
    assert "requested" == (await journey.accept(7)).outcome
    await journey.end(7, "completed")

    assert "repeated" == (await journey.accept(7)).outcome
    assert "ignored" == (await journey.accept(7, amazon_case_id="other")).outcome
    assert 2 == (await journey.phase(7)).record.round


async def test_a_paid_claim_is_neither_submitted_nor_rejected(journey: Journey) -> None:
    await journey.accept(7)
    await claims.move_on(journey.store, A_TENANT, C_1, "paid")

    assert ["ignored"] * 2 == [(await journey.accept(n)).outcome for n in (5, 6)]


async def test_a_cancelled_journey_takes_no_trigger(journey: Journey) -> None:
    await journey.accept(2)
    stored = await journey.store.read(A_TENANT, ExecutionRecord, SYNC_1)
    await transitions.cancel(journey.store, stored, "enough")

    assert "ignored" == (await journey.accept(3)).outcome
    assert "cancelled" == await journey.status()


# --- claims and their journeys --------------------------------------------------------------------


async def test_a_claim_that_no_sync_named_has_one_journey_whatever_comes_first(
    journey: Journey,
) -> None:
    accepted = await asyncio.gather(*(journey.accept(n) for n in (5, 6, 7) for _ in range(5)))

    executions = await journey.store.count(A_TENANT, ExecutionRecord)
    assert 1 == executions == len({one.execution_id for one in accepted})


async def test_a_claim_joins_the_sync_that_names_it_with_its_phases(journey: Journey) -> None:
    own = (await journey.accept(5)).execution_id

    await journey.name()

    claim = await journey.claim()
    assert (SYNC_1, [own]) == (claim.execution_id, claim.joined_from)
    assert SYNC_1 == (await journey.phase(5)).record.execution_id
    assert [] == await journeys.phases_of(journey.store, A_TENANT, own)
    later = await journey.accept(7)
    assert (SYNC_1, "sync-1") == (later.execution_id, later.sync_id)


async def test_naming_a_claim_again_leaves_its_former_journey_in_peace(journey: Journey) -> None:
    own = (await journey.accept(5)).execution_id
    await journey.name()
    stored = await journey.store.read(A_TENANT, ExecutionRecord, own)
    running = await transitions.move(journey.store, stored, "running")
    await transitions.complete(journey.store, running, results={})

    await journey.name()

    assert "completed" == await journey.status(own)


async def test_a_claim_stays_with_the_first_sync_that_named_it(journey: Journey) -> None:
    await journey.name("sync-1")
    await journey.name("sync-2")

    assert SYNC_1 == (await journey.claim()).execution_id


async def test_matches_under_the_id_of_a_matching_job_are_of_the_sync_that_found_their_claims(
    journey: Journey,
) -> None:
    await journey.name()
    job: dict[str, Any] = {"sync_id": "job-7", "matches": [{"claim_id": "c-1"}]}

    accepted = await journey.accept(4, **job)
    again = await journey.accept(4, **job)

    assert (SYNC_1, "sync-1", "requested") == (
        accepted.execution_id,
        accepted.sync_id,
        accepted.outcome,
    )
    assert "repeated" == again.outcome
    assert [SYNC_1] == await journey.opened()
    assert ["c-1"] == [match.claim_id for match in (await journey.phase(4)).record.trigger.matches]


async def test_matches_of_several_syncs_are_each_of_its_own_and_unknown_ones_of_the_newest(
    journey: Journey,
) -> None:
    await journey.name("sync-1", claim_id="c-1")
    await journey.name("sync-2", claim_id="c-2")
    await journey.accept(5, claim_id="c-3")
    sent = [{"claim_id": f"c-{number}"} for number in (4, 3, 2, 1)]

    accepted = await journey.accept(4, sync_id="job-7", matches=sent)

    newest = await journey.phase(4, ids.journey_id(A_TENANT, A_USER, "sync-2"))
    assert newest.record.execution_id == accepted.execution_id
    assert ["c-2", "c-4", "c-3"] == [one.claim_id for one in newest.record.trigger.matches]
    first = (await journey.phase(4)).record.trigger
    assert ["c-1"] == [match.claim_id for match in first.matches]


@pytest.mark.parametrize("phase", [None, 5])
async def test_matches_whose_claims_no_sync_has_named_open_a_journey(
    journey: Journey, phase: int | None
) -> None:
    if phase:
        await journey.accept(phase)

    accepted = await journey.accept(4, sync_id="job-7", matches=[{"claim_id": "c-1"}])

    assert "job-7" == accepted.sync_id


async def test_matches_of_a_sync_that_is_known_stay_there(journey: Journey) -> None:
    await journey.name()
    await journey.accept(1, sync_id="sync-2")

    accepted = await journey.accept(4, sync_id="sync-2", matches=[{"claim_id": "c-1"}])

    assert "sync-2" == accepted.sync_id


async def test_matches_of_cancelled_journeys_alone_are_ignored_each_time(
    journey: Journey,
) -> None:
    await journey.name()
    await journey.cancel("sync-1")
    sent = [{"claim_id": f"c-{number}"} for number in (1, 2)]

    accepted = [await journey.accept(4, sync_id="job-7", matches=sent) for _ in range(2)]

    assert ["ignored", "ignored"] == [one.outcome for one in accepted]
    assert [SYNC_1] == await journey.opened()


async def test_unknown_matches_are_of_the_newest_journey_that_is_not_cancelled(
    journey: Journey,
) -> None:
    await journey.name("sync-1", claim_id="c-1")
    await journey.name("sync-2", claim_id="c-2")
    await journey.cancel("sync-2")
    sent = [{"claim_id": f"c-{number}"} for number in (1, 2, 3)]

    await journey.accept(4, sync_id="job-7", matches=sent)

    matches = (await journey.phase(4)).record.trigger.matches
    assert ["c-1", "c-3"] == [match.claim_id for match in matches]


@pytest.mark.parametrize("is_joined", [False, True])
async def test_a_journey_is_read_by_the_id_of_the_job_that_matched_its_claims(
    journey: Journey, is_joined: bool
) -> None:
    await journey.name()
    await journey.accept(4, sync_id="job-7", matches=[{"claim_id": "c-1"}])
    if is_joined:
        await journey.accept(4, matches=[{"claim_id": "c-2"}])
    await journey.end(4, "completed")

    found = await journeys.read_journey(
        journey.store, A_TENANT, "job-7", A_USER, by_other_names=True
    )

    assert SYNC_1 == found.record.id
    with pytest.raises(NotFound):
        await journeys.read_journey(journey.store, A_TENANT, "job-7", A_USER)
    [line, *_] = await log.entries(journey.store, A_TENANT, [SYNC_1])
    assert ["job-7"] == line.other_sync_ids


@pytest.mark.parametrize("status", ["requested", "running", "completed", "failed"])
async def test_what_a_phase_finds_is_not_lost_because_a_part_of_it_was_triggered_meanwhile(
    journey: Journey, status: str
) -> None:
    await journey.name()
    since = (await journey.phase(1)).record.requested_at
    await journey.accept(4, sync_id="job-7", matches=[{"claim_id": "c-1", "confidence": 0.4}])
    if status == "running":
        await journey.begin(4)
    elif status != "requested":
        await journey.end(4, status)
    found = [{"claim_id": f"c-{number}", "confidence": 0.9} for number in (1, 2)]
    followed = a_trigger(4, matches=found)

    for _ in range(2):
        await triggers.accept(
            journey.store, journey.bus, A_TENANT, followed, triggered_by="phase_3", since=since
        )

    phase = (await journey.phase(4)).record
    due = phase.next_trigger or phase.trigger
    expected = {"c-2": 0.9} if status in ("running", "completed") else {"c-1": 0.4, "c-2": 0.9}
    assert expected == {match.claim_id: match.confidence for match in due.matches}


@pytest.mark.parametrize("kind", [ClaimRecord, ExecutionRecord, PhaseRecord])
async def test_matches_of_what_cannot_be_read_are_refused_and_all_others_taken(
    journey: Journey, kind: type[Record]
) -> None:
    await journey.name("sync-1", claim_id="c-1")
    await journey.name("sync-2", claim_id="c-2")
    second = ids.journey_id(A_TENANT, A_USER, "sync-2")
    damaged = {
        ClaimRecord: ids.claim_key(A_TENANT, A_USER, "c-2"),
        ExecutionRecord: second,
        PhaseRecord: ids.phase_record_id(second, 1),
    }
    its = {"executionId": second} if kind is PhaseRecord else {}
    await put_unreadable(journey.store, kind, A_TENANT, id=damaged[kind], **its)
    sent = [{"claim_id": f"c-{number}"} for number in (3, 2, 1)]

    for _ in range(2):
        with pytest.raises(UnreadableRecord):
            await journey.accept(4, sync_id="job-7", matches=sent)

    matches = (await journey.phase(4)).record.trigger.matches
    assert ["c-1"] == [match.claim_id for match in matches]


@pytest.mark.parametrize(("seller", "outcome"), [(None, "repeated"), ("another", "requested")])
async def test_a_discovery_from_outside_is_of_the_seller_whose_data_was_synced(
    journey: Journey, seller: str | None, outcome: str
) -> None:
    await journey.accept(1, seller_id="a-seller")
    counts = {"orders_count": 5, "inventory_items": 2}
    followed = replace(a_trigger(2, **counts), seller_id="a-seller")
    await triggers.accept(journey.store, journey.bus, A_TENANT, followed)
    await journey.end(2, "completed")

    if seller is None:
        accepted = await journey.accept(2, **counts)
    else:
        other = replace(followed, seller_id=seller)
        accepted = await triggers.accept(journey.store, journey.bus, A_TENANT, other)

    assert outcome == accepted.outcome


async def test_a_default_sync_id_that_is_spelled_out_can_be_joined(journey: Journey) -> None:
    await journey.accept(5, sync_id="claim_c-1")
    await journey.name()

    assert SYNC_1 == (await journey.claim()).execution_id


async def test_a_late_first_phase_finds_the_journey_of_its_claims(journey: Journey) -> None:
    await journey.accept(5, sync_id="sync-1")
    await journey.name()

    stored = await journeys.read_journey(journey.store, A_TENANT, "sync-1")
    assert not stored.record.input["namedByClaim"]
    assert SYNC_1 == (await journey.claim()).execution_id


async def test_what_naming_leaves_out_is_not_changed(journey: Journey) -> None:
    await journey.name(amount_cents=500, currency="eur", is_sandbox=True, confidence=0.9)
    await journey.name()

    claim = await journey.claim()
    assert (500, "eur", True, 0.9) == (
        claim.amount_cents,
        claim.currency,
        claim.is_sandbox,
        claim.confidence,
    )


async def test_a_phase_that_is_requested_while_its_claim_is_joined_moves_too(
    journey: Journey,
) -> None:
    for _ in range(10):
        await asyncio.gather(journey.accept(5), journey.name())
        claim, phase = await journey.claim(), await journey.phase(5)
        assert claim.execution_id == phase.record.execution_id
        await journey.store.delete(A_TENANT, ClaimRecord, claim.id)
        await journey.store.delete(A_TENANT, PhaseRecord, phase.record.id)


async def test_users_and_tenants_have_their_own_claims(journey: Journey) -> None:
    mine = await journey.accept(5)
    theirs = await journey.accept(5, user_id="user-2")
    elsewhere = await triggers.accept(journey.store, journey.bus, ANOTHER_TENANT, a_trigger(5))

    assert 3 == len({one.phase_record_id for one in (mine, theirs, elsewhere)})
    assert 3 == len({one.execution_id for one in (mine, theirs, elsewhere)})


async def test_one_claim_in_two_spellings_of_its_uuid_is_paid_once(journey: Journey) -> None:
    id = "0b54c0f5-6f0a-4f4c-9d0e-2a3a30f3e001"
    await journey.accept(7, claim_id=id, user_id=id)

    again = await journey.accept(7, claim_id=id.upper(), user_id=id.upper())

    assert "repeated" == again.outcome


async def test_an_onboarding_without_a_sync_id_that_is_sent_again_is_one(journey: Journey) -> None:
    first = await journey.accept(1, sync_id=None)
    trigger = replace(a_trigger(1, sync_id=None), sync_id="oauth_user-1_1")

    again = await triggers.accept(journey.store, journey.bus, A_TENANT, trigger)

    assert ("repeated", first.execution_id) == (again.outcome, again.execution_id)


async def test_a_joined_claims_former_sync_is_still_found(journey: Journey) -> None:
    own = (await journey.accept(5)).execution_id
    await journey.begin(5)
    await journey.name()

    assert own == (await journeys.read_journey(journey.store, A_TENANT, "claim_c-1")).record.id


async def test_a_late_submission_of_a_rejected_case_does_not_bring_the_claim_back(
    journey: Journey,
) -> None:
    await journey.accept(6, case_id="A")
    move = claims.move_on
    await move(journey.store, A_TENANT, C_1, "rejected", amazon_case_id="A")
    await move(journey.store, A_TENANT, C_1, "submitted", amazon_case_id="A")
    assert "rejected" == (await journey.claim()).status

    await move(journey.store, A_TENANT, C_1, "submitted", amazon_case_id="B")
    assert "submitted" == (await journey.claim()).status


# --- crashes and races ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_done_first", [False, True], ids=["lost", "answer-lost"])
@pytest.mark.parametrize("phase", [1, 3, 5, 7])
async def test_a_trigger_that_is_sent_again_after_a_crash_is_requested_and_wakes(
    store: RecordStore, bus: SqliteEventBus, phase: int, is_done_first: bool
) -> None:
    fuse = Fuse()
    for blows_at in range(1, 30):
        trigger = a_trigger(phase, user_id=f"user-{blows_at}")
        fuse.set(blows_at, is_done_first=is_done_first)
        call = (Fused(store, fuse), Fused(bus, fuse), A_TENANT, trigger)
        try:
            accepted = await triggers.accept(*call)
        except Died:
            accepted = await triggers.accept(*call)
        record = await store.read(A_TENANT, PhaseRecord, accepted.phase_record_id)
        execution = await store.read(A_TENANT, ExecutionRecord, accepted.execution_id)
        assert ("requested", 1, "pending") == (
            record.record.status,
            record.record.round,
            execution.record.status,
        )
        if fuse.calls < blows_at:
            assert blows_at > 3
            return
    raise AssertionError("the fuse never outlasted the call")


@pytest.mark.parametrize("is_done_first", [False, True], ids=["lost", "answer-lost"])
async def test_a_claim_that_is_named_again_after_a_crash_has_joined(
    store: RecordStore, bus: SqliteEventBus, is_done_first: bool
) -> None:
    fuse = Fuse()
    for blows_at in range(1, 30):
        user = f"user-{blows_at}"
        own = await triggers.accept(store, bus, A_TENANT, a_trigger(5, user_id=user))
        stored = await store.read(A_TENANT, ExecutionRecord, own.execution_id)
        await transitions.move(store, await transitions.move(store, stored, "running"), "waiting")
        sync = await triggers.accept(store, bus, A_TENANT, a_trigger(1, user_id=user))
        journey = (await store.read(A_TENANT, ExecutionRecord, sync.execution_id)).record
        fuse.set(blows_at, is_done_first=is_done_first)
        call = (Fused(store, fuse), Fused(bus, fuse), journey, Claim(claim_id="c-1"))
        try:
            claim = await claims.name_claim(*call)
        except Died:
            claim = await claims.name_claim(*call)
        phase = await store.read(A_TENANT, PhaseRecord, own.phase_record_id)
        former = await store.read(A_TENANT, ExecutionRecord, own.execution_id)
        assert journey.id == claim.record.execution_id == phase.record.execution_id
        assert [own.execution_id] == claim.record.joined_from
        assert "pending" == former.record.status
        if fuse.calls < blows_at:
            assert blows_at > 2
            return
    raise AssertionError("the fuse never outlasted the call")


async def hundred_at_once(store: RecordStore, bus: EventBus) -> None:
    """Of a hundred triggers of one journey at once, none is lost."""
    sent: list[PhaseTrigger] = [
        *(a_trigger(3, claims=[{"claim_id": f"c-{n}"}]) for n in range(30)),
        *(a_trigger(4, matches=[{"claim_id": f"m-{n}", "confidence": 1}]) for n in range(30)),
        *(a_trigger(1 + n % 2) for n in range(20)),
        *(a_trigger(5, claim_id=f"k-{n % 5}", sync_id="sync-1") for n in range(20)),
    ]

    accepted = await asyncio.gather(
        *(triggers.accept(store, bus, A_TENANT, trigger) for trigger in sent)
    )

    phases = await journeys.phases_of(store, A_TENANT, SYNC_1)
    by_number = {one.record.phase: one.record for one in phases}
    assert {SYNC_1} == {one.execution_id for one in accepted}
    assert 30 == len(by_number[3].trigger.claims) == len(by_number[4].trigger.matches)
    assert 9 == len(phases)
    assert {1} == {one.record.round for one in phases}
    execution = await store.read(A_TENANT, ExecutionRecord, SYNC_1)
    assert "pending" == execution.record.status


async def test_of_a_hundred_triggers_at_once_none_is_lost(
    store: RecordStore, bus: SqliteEventBus
) -> None:
    await hundred_at_once(store, bus)
