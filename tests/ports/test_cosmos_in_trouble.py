"""What the record store makes of a Cosmos DB that throttles, drops answers, hangs or is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from msgspec.structs import replace

from blocks.adapters.cosmos import call_time
from blocks.adapters.cosmos.record_store import CosmosRecordStore
from blocks.contracts.records import ExecutionRecord
from blocks.ports import AlreadyExists, Query, Stale, Stored, Throttled, Unavailable
from tests.support.factories import A_TENANT, an_execution, new_id
from tests.support.servers.cosmos import CosmosEmulator
from tests.support.servers.cosmos_fault_proxy import (
    APPLIED_THEN_DROPPED,
    PRECONDITION_FAILED,
    UNAVAILABLE,
    CosmosFaultProxy,
    Delay,
    Drop,
    throttled,
)


@pytest.fixture
def cosmos(cosmos_emulator: CosmosEmulator) -> Iterator[CosmosFaultProxy]:
    with CosmosFaultProxy(cosmos_emulator) as proxy:
        yield proxy


@pytest.fixture
async def store(
    cosmos: CosmosFaultProxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CosmosRecordStore]:
    monkeypatch.setattr(call_time, "THROTTLED_SECONDS", 1)
    async with CosmosRecordStore(
        cosmos.endpoint, cosmos.key, database=new_id(), ca_file=str(cosmos.ca_file)
    ) as store:
        await store.provision()
        yield store


# --- it throttles ---------------------------------------------------------------------------------


async def test_a_write_throttled_eight_times_is_repeated_until_it_is_done(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore
) -> None:
    cosmos.inject(throttled(retry_after_ms=10), "create", times=8)
    created = await store.create(A_TENANT, an_execution())
    assert cosmos.faults == {"create": 8}
    assert created == await store.read(A_TENANT, ExecutionRecord, created.record.id)


async def test_a_call_throttled_for_longer_says_when_to_come_back(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore
) -> None:
    with cosmos.broken(throttled(retry_after_ms=250)):
        for attempt in (
            store.create(A_TENANT, an_execution()),
            store.query(A_TENANT, Query(ExecutionRecord)),
        ):
            with pytest.raises(Throttled) as raised:
                await attempt
            assert raised.value.retry_after_seconds == 0.25
    assert [] == (await store.query(A_TENANT, Query(ExecutionRecord))).items


# --- it loses answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_a_create_that_was_applied_though_its_answer_was_dropped_is_our_own(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore, times: int
) -> None:
    cosmos.inject(APPLIED_THEN_DROPPED, "create", times=times)
    created = await store.create(A_TENANT, an_execution())
    assert created == await store.read(A_TENANT, ExecutionRecord, created.record.id)


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_records_that_were_created_together_though_the_answer_was_dropped_are_our_own(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore, times: int
) -> None:
    cosmos.inject(APPLIED_THEN_DROPPED, "create", times=times)
    records = [an_execution() for _ in range(3)]
    created = await store.create_all(A_TENANT, records)
    assert records == [stored.record for stored in created if stored]
    assert 3 == await store.count(A_TENANT, ExecutionRecord)


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_records_that_were_replaced_together_though_the_answer_was_dropped_are_our_own(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore, times: int
) -> None:
    before = [await store.create(A_TENANT, an_execution()) for _ in range(3)]
    changed = [Stored(replace(one.record, subject="new"), one.etag) for one in before]
    cosmos.inject(APPLIED_THEN_DROPPED, "create", times=times)
    replaced = await store.replace_all(A_TENANT, changed)
    assert [one.record for one in changed] == [stored.record for stored in replaced if stored]
    assert replaced[2] == await store.read(A_TENANT, ExecutionRecord, before[2].record.id)


async def test_records_that_are_created_together_while_it_throttles_are_not_written(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore
) -> None:
    with cosmos.broken(throttled(retry_after_ms=250)), pytest.raises(Throttled):
        await store.create_all(A_TENANT, [an_execution(), an_execution()])
    assert 0 == await store.count(A_TENANT, ExecutionRecord)


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_a_replace_that_was_applied_though_its_answer_was_dropped_is_our_own(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore, times: int
) -> None:
    before = await store.create(A_TENANT, an_execution())
    cosmos.inject(APPLIED_THEN_DROPPED, "replace", times=times)
    after = await store.replace(A_TENANT, before.etag, replace(before.record, status="running"))
    assert after == await store.read(A_TENANT, ExecutionRecord, before.record.id)


async def test_a_foreign_write_is_not_taken_for_our_own(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore
) -> None:
    first = await store.create(A_TENANT, an_execution())
    second = await store.replace(A_TENANT, first.etag, replace(first.record, status="running"))
    cosmos.inject(APPLIED_THEN_DROPPED, "create", "replace", times=2)
    with pytest.raises(AlreadyExists):
        await store.create(A_TENANT, first.record)
    with pytest.raises(Stale):
        await store.replace(A_TENANT, first.etag, replace(first.record, status="failed"))
    assert second == await store.read(A_TENANT, ExecutionRecord, first.record.id)


async def test_a_write_whose_fate_cannot_be_found_out_is_unavailable_and_may_be_repeated(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore
) -> None:
    execution = an_execution()
    cosmos.inject(APPLIED_THEN_DROPPED, "create")
    cosmos.inject(Drop(), "read")
    with pytest.raises(Unavailable):
        await store.create(A_TENANT, execution)
    cosmos.heal()
    with pytest.raises(AlreadyExists):
        await store.create(A_TENANT, execution)


async def test_an_etag_that_is_stale_is_reported(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore
) -> None:
    before = await store.create(A_TENANT, an_execution())
    with cosmos.broken(PRECONDITION_FAILED, "replace"), pytest.raises(Stale):
        await store.replace(A_TENANT, before.etag, replace(before.record, status="running"))


# --- it is away -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Drop(), UNAVAILABLE], ids=["drops", "503"])
@pytest.mark.long
async def test_a_cosmos_db_that_is_away_is_unavailable_soon_and_works_again_at_once(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore, fault: Drop
) -> None:
    with cosmos.broken(fault):
        for attempt in (
            store.ping(),
            store.create(A_TENANT, an_execution()),
            store.query(A_TENANT, Query(ExecutionRecord)),
        ):
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await attempt
            assert time.monotonic() - began < 10
    await store.create(A_TENANT, an_execution())


async def test_a_cosmos_db_that_hangs_is_unavailable_after_the_limit(
    cosmos: CosmosFaultProxy, store: CosmosRecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_time, "CALL_SECONDS", 0.3)
    with cosmos.broken(Delay(seconds=30)):
        began = time.monotonic()
        calls = [store.query(A_TENANT, Query(ExecutionRecord)) for _ in range(50)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - began < 3
    assert {Unavailable} == {type(outcome) for outcome in outcomes}
