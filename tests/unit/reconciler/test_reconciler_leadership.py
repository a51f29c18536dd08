"""Of several reconcilers one leads: the lease is a record, and who is silent too long loses it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from time import monotonic

import msgspec

from api.reconciler.bell import Bell
from api.reconciler.journal import Journal
from api.reconciler.leadership import Leadership
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import Look, ReconcilerRecord
from blocks.ports import NotFound, RecordStore
from tests.support.factories import a_reconciler_record, now
from tests.support.waiting import eventually

LEASE = 0.6
LOOK = Look(at=now(), seconds=0.1, repaired=41)


class Reconciler:
    """One of several; it leads while its task runs, and `leads` says whether it does."""

    def __init__(self, store: RecordStore, lease_seconds: float = LEASE) -> None:
        self.journal, self.bell = Journal(), Bell()
        self.leadership = Leadership(store, self.journal, self.bell, lease_seconds=lease_seconds)
        self.leads = False
        self._task: asyncio.Task[None]

    async def _work(self) -> None:
        self.leads = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.leads = False

    def start(self) -> None:
        self._task = asyncio.create_task(self.leadership.lead(self._work))

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def is_watching(self) -> bool:
        return self.leadership.has_seen_a_leader

    async def is_leading(self) -> bool:
        return self.leads


@asynccontextmanager
async def started(*reconcilers: Reconciler) -> AsyncIterator[None]:
    for reconciler in reconcilers:
        reconciler.start()
    try:
        yield
    finally:
        for reconciler in reconcilers:
            await reconciler.stop()


async def record_of(store: RecordStore) -> ReconcilerRecord:
    return (await store.read(SYSTEM_TENANT, ReconcilerRecord, ReconcilerRecord.ID)).record


async def test_of_three_reconcilers_one_leads(store: RecordStore) -> None:
    reconcilers = [Reconciler(store) for _ in range(3)]
    async with started(*reconcilers):
        leader = await eventually(lambda: leader_after(store, renewals=3))
        assert [leader] == [
            reconciler.leadership.name for reconciler in reconcilers if reconciler.leads
        ]


async def leader_after(store: RecordStore, *, renewals: int) -> str | None:
    """Who leads, once the lease was renewed so often."""
    with suppress(NotFound):
        record = await record_of(store)
        if record.renewed_at - record.leads_since > timedelta(seconds=renewals * LEASE / 3):
            return record.leader
    return None


async def test_one_that_stops_in_good_order_is_followed_at_once(store: RecordStore) -> None:
    first, second = Reconciler(store, lease_seconds=60), Reconciler(store, lease_seconds=60)
    async with started(first):
        await eventually(first.is_leading)
        async with started(second):
            await first.stop()
            second.bell.ring()
            await eventually(second.is_leading, within_seconds=2)


async def test_a_silent_leader_is_followed_when_its_lease_has_run_out(store: RecordStore) -> None:
    await store.create(SYSTEM_TENANT, a_reconciler_record(lease_seconds=LEASE))
    follower, began = Reconciler(store), monotonic()
    async with started(follower):
        await eventually(follower.is_leading, within_seconds=5)
    assert LEASE <= monotonic() - began < 3 * LEASE


async def test_a_leader_with_a_slow_clock_is_not_robbed(store: RecordStore) -> None:
    """It renews, so the record changes; what time it writes does not matter to who is watching."""
    leader = a_reconciler_record(lease_seconds=LEASE)
    stored = await store.create(SYSTEM_TENANT, leader)
    follower = Reconciler(store)
    async with started(follower):
        await eventually(follower.is_watching)
        for number in range(15):
            slow = now() - timedelta(hours=1) + number * timedelta(milliseconds=100)
            stored = await store.replace(
                SYSTEM_TENANT, stored.etag, msgspec.structs.replace(leader, renewed_at=slow)
            )
            await asyncio.sleep(LEASE / 6)
        assert not follower.leads


async def test_a_lease_that_ran_out_hours_ago_is_taken_at_first_sight(store: RecordStore) -> None:
    await store.create(
        SYSTEM_TENANT,
        a_reconciler_record(renewed_at=now() - timedelta(hours=1), lease_seconds=60.0),
    )
    follower = Reconciler(store, lease_seconds=60)
    async with started(follower):
        await eventually(follower.is_leading, within_seconds=2)


async def test_a_leader_that_was_robbed_stops_leading(store: RecordStore) -> None:
    leader = Reconciler(store)
    async with started(leader):
        await eventually(leader.is_leading)
        await rob(store)
        await eventually(lambda: is_not(leader), within_seconds=3)


async def rob(store: RecordStore) -> None:
    async def robbed() -> bool:
        stored = await store.read(SYSTEM_TENANT, ReconcilerRecord, ReconcilerRecord.ID)
        await store.replace(
            SYSTEM_TENANT, stored.etag, a_reconciler_record(renewed_at=now(), lease_seconds=LEASE)
        )
        return True

    await eventually(robbed)


async def is_not(leader: Reconciler) -> bool:
    return not leader.leads


async def test_counts_go_on_from_those_of_the_leader_before(store: RecordStore) -> None:
    await store.create(SYSTEM_TENANT, a_reconciler_record(leader=None, looks={"lost_run": LOOK}))
    follower = Reconciler(store)
    async with started(follower):
        await eventually(follower.is_leading)
        assert LOOK == follower.journal.looks["lost_run"]
    assert (None, {"lost_run": LOOK}) == ((record := await record_of(store)).leader, record.looks)
