"""Running limits: what a tenant's room is counted from, how often, and what it is until then."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.contracts.records import DispatchPolicy, Record, TenantShare
from blocks.ports import RecordStore
from blocks.tenants.dispatch_policy import default_policy
from listeners.dispatch.running_limits import RunningLimits
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution
from tests.support.waiting import T

FIVE_EACH = replace(default_policy(), default=TenantShare(running_max=5))


class SlowCounts(ForwardingRecordStore):
    """Counts at once, and answers when it may."""

    def __init__(self, store: RecordStore) -> None:
        super().__init__(store)
        self.counts = 0
        self.has_counted, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_answer.set()

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        answer = await super()._ask(operation, kind, request)
        if operation == "count":
            self.counts += 1
            self.has_counted.set()
            await self.may_answer.wait()
        return answer


@pytest.fixture
def counting(store: RecordStore) -> SlowCounts:
    return SlowCounts(store)


@pytest.fixture
def limits(counting: SlowCounts) -> RunningLimits:
    return RunningLimits(counting)


async def refresh(limits: RunningLimits, *waiting: str, policy: DispatchPolicy = FIVE_EACH) -> None:
    await limits.refresh(policy, waiting, Counter)


async def test_under_a_limit_a_tenant_has_no_room_until_it_was_counted(
    limits: RunningLimits,
) -> None:
    await refresh(limits, A_TENANT)
    assert [5, 0] == [limits.room(FIVE_EACH, id) for id in (A_TENANT, ANOTHER_TENANT)]

    await refresh(limits, A_TENANT, ANOTHER_TENANT)
    assert [5, 5] == [limits.room(FIVE_EACH, id) for id in (A_TENANT, ANOTHER_TENANT)]


async def test_a_tenant_is_counted_once_a_second_while_it_waits(
    limits: RunningLimits, counting: SlowCounts
) -> None:
    for _ in range(10):
        await refresh(limits, A_TENANT)
        await refresh(limits, A_TENANT, ANOTHER_TENANT)
    assert 2 == counting.counts


async def test_what_was_dispatched_counts_until_another_count(limits: RunningLimits) -> None:
    await refresh(limits, A_TENANT)
    limits.take(A_TENANT, 3)
    await refresh(limits, A_TENANT, ANOTHER_TENANT)

    assert 2 == limits.room(FIVE_EACH, A_TENANT)


async def test_nothing_is_counted_without_a_limit(
    limits: RunningLimits, counting: SlowCounts
) -> None:
    policy = replace(default_policy(), tenants={A_TENANT: TenantShare(running_max=1)})
    await refresh(limits, ANOTHER_TENANT, policy=policy)

    assert 0 == counting.counts
    assert limits.room(policy, ANOTHER_TENANT) > 1_000_000


async def test_nothing_is_missed_that_begins_to_run_or_is_dispatched_during_a_count(
    limits: RunningLimits, counting: SlowCounts, store: RecordStore
) -> None:
    await store.create(A_TENANT, an_execution(status="running"))
    on_their_way = Counter({A_TENANT: 1})
    counting.may_answer.clear()

    count = asyncio.create_task(
        limits.refresh(FIVE_EACH, [A_TENANT], on_their_way=lambda: on_their_way.copy())
    )
    await counting.has_counted.wait()
    on_their_way.clear()  # it runs, and was not counted as running
    limits.take(A_TENANT, 1)
    counting.may_answer.set()
    await count

    assert 5 - 3 == limits.room(FIVE_EACH, A_TENANT)
