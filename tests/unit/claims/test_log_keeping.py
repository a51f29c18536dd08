"""The log of phases goes when its time is over, and no sooner."""

from datetime import timedelta
from typing import Any

import pytest

from blocks.claims import log, log_keeping
from blocks.claims.log_keeping import LogKeeping
from blocks.contracts.records import ExecutionRecord, Record
from blocks.contracts.records.claims import ClaimRecord, PhaseLogEntry
from blocks.ports import RecordStore
from tests.support.claims.phase_entries import an_entry
from tests.support.claims.records import a_claim, a_journey
from tests.support.factories import A_TENANT, ANOTHER_TENANT, now
from tests.support.stores import put_unreadable

BEFORE = now() - timedelta(days=10)
LONG_AGO = BEFORE - timedelta(days=5)
LATELY = BEFORE + timedelta(days=5)


async def a_journey_of(
    store: RecordStore, ended: Any = LONG_AGO, **changes: Any
) -> ExecutionRecord:
    facts = {"status": "completed", "completed_at": ended, "announced_at": ended}
    journey = a_journey(**{**facts, **changes})
    return (await store.create(journey.tenant_id, journey)).record


async def a_line_of(
    store: RecordStore, journey: ExecutionRecord, at: Any = LONG_AGO, **changes: Any
) -> PhaseLogEntry:
    line = an_entry(tenant_id=journey.tenant_id, execution_id=journey.id, created_at=at, **changes)
    return (await store.create(line.tenant_id, line)).record


async def test_the_log_of_a_journey_that_ended_long_ago_goes(store: RecordStore) -> None:
    journey = await a_journey_of(store)
    for _ in range(3):
        await a_line_of(store, journey)
    keeping = LogKeeping()

    assert 3 == await keeping.forget(store, A_TENANT, BEFORE)
    assert [] == await log.entries(store, A_TENANT, [journey.id])
    assert 0 == await keeping.forget(store, A_TENANT, BEFORE)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "waiting", "completed_at": None, "announced_at": None},
        {"status": "running", "completed_at": None, "announced_at": None},
        {"completed_at": LATELY},
        {"announced_at": None},
    ],
    ids=["at-rest", "under-way", "ended-lately", "not-announced"],
)
async def test_a_journey_that_is_not_over_for_so_long_keeps_its_old_lines(
    store: RecordStore, changes: dict[str, Any]
) -> None:
    journey = await a_journey_of(store, **changes)
    line = await a_line_of(store, journey)

    assert 0 == await LogKeeping().forget(store, A_TENANT, BEFORE)
    assert [line] == await log.entries(store, A_TENANT, [journey.id])


async def test_what_a_claim_brought_along_stays_as_long_as_its_present_journey(
    store: RecordStore,
) -> None:
    former = await a_journey_of(store)
    present = await a_journey_of(store, status="waiting", completed_at=None, announced_at=None)
    claim = a_claim(present, joined_from=[former.id])
    await store.create(A_TENANT, claim)
    await a_line_of(store, former, claim_key=claim.id)

    assert 0 == await LogKeeping().forget(store, A_TENANT, BEFORE)


async def test_a_line_without_its_journey_stays(store: RecordStore) -> None:
    await a_line_of(store, a_journey())

    assert 0 == await LogKeeping().forget(store, A_TENANT, BEFORE)


@pytest.mark.parametrize("kind", [ExecutionRecord, ClaimRecord])
async def test_a_line_whose_journey_or_claim_cannot_be_read_stays_and_the_others_go(
    store: RecordStore, kind: type[Record]
) -> None:
    kept, over = await a_journey_of(store), await a_journey_of(store)
    claim = a_claim(kept)
    await store.create(A_TENANT, claim)
    damaged = kept.id if kind is ExecutionRecord else claim.id
    await put_unreadable(store, kind, A_TENANT, id=damaged)
    line = await a_line_of(store, kept, claim_key=claim.id)
    await a_line_of(store, over, at=LONG_AGO + timedelta(minutes=1))

    assert 1 == await LogKeeping().forget(store, A_TENANT, BEFORE)
    assert [line] == await log.entries(store, A_TENANT, [kept.id])


async def test_a_look_is_bounded_and_goes_past_what_must_stay(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_keeping, "LINES_OF_A_TENANT", 2)
    open_one = await a_journey_of(store, status="waiting", completed_at=None, announced_at=None)
    for _ in range(4):
        await a_line_of(store, open_one)
    over = await a_journey_of(store)
    for minutes in range(1, 4):
        await a_line_of(store, over, at=LONG_AGO + timedelta(minutes=minutes))
    keeping = LogKeeping()

    assert [0, 0, 2, 1] == [await keeping.forget(store, A_TENANT, BEFORE) for _ in range(4)]


async def test_only_the_named_tenants_lines_go(store: RecordStore) -> None:
    journey = await a_journey_of(store, tenant_id=ANOTHER_TENANT)
    line = await a_line_of(store, journey)

    assert 0 == await LogKeeping().forget(store, A_TENANT, BEFORE)
    assert [line] == await log.entries(store, ANOTHER_TENANT, [journey.id])
