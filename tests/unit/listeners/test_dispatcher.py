"""The dispatcher: alone when idle, together when behind, each tenant in turn, nothing pending
forgotten or doubled.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from msgspec.structs import replace

from blocks import signals
from blocks.actions.retrying import notify_dispatchers
from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import (
    DispatchPolicy,
    ExecutionRecord,
    Record,
    TenantRecord,
    TenantShare,
)
from blocks.executions import transitions
from blocks.ports import EventBus, FlowRunView, RecordStore, Unavailable, UnreadableRecord
from blocks.settings import Dispatch
from blocks.tenants.dispatch_policy import change_policy
from listeners.dispatch import dispatcher as dispatching
from listeners.dispatch import open_runs
from listeners.dispatch.dispatcher import Dispatcher
from listeners.dispatch.fair_queue import Lane
from listeners.dispatch.running_limits import COUNT_SECONDS
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_flow_run,
    a_tenant_record,
    an_execution,
)
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.stores import put_unreadable
from tests.support.waiting import T, eventually

A_THIRD_TENANT = "44444444-4444-4444-8444-444444444444"

SETTINGS = Dispatch(batch_max=3, runs_in_flight_max=4, open_seconds=2.0, sweep_seconds=0.1)


@pytest.fixture
def flow_runs() -> RememberedFlowRuns:
    return RememberedFlowRuns()


@pytest.fixture
def dispatcher(store: RecordStore, bus: EventBus, flow_runs: RememberedFlowRuns) -> Dispatcher:
    return Dispatcher(SETTINGS, store, bus, flow_runs)


@asynccontextmanager
async def at_work(dispatcher: Dispatcher) -> AsyncIterator[None]:
    task = asyncio.create_task(dispatcher.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class SlowFlowRuns(RememberedFlowRuns):
    """Prefect takes its time to answer."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def start(
        self, workflow: str, tenant_id: str, execution_ids: Sequence[str], *, key: str, name: str
    ) -> str:
        self.is_asked.set()
        await self.may_answer.wait()
        return await super().start(workflow, tenant_id, execution_ids, key=key, name=name)


class AnswersAreLost(RememberedFlowRuns):
    """The first runs are made, and the caller does not learn of it."""

    def __init__(self, lost: int) -> None:
        super().__init__()
        self._lost = lost

    async def start(
        self, workflow: str, tenant_id: str, execution_ids: Sequence[str], *, key: str, name: str
    ) -> str:
        run_id = await super().start(workflow, tenant_id, execution_ids, key=key, name=name)
        if len(self.started) <= self._lost:
            raise Unavailable("Prefect does not answer: ReadTimeout")
        return run_id


class CountedQueries(ForwardingRecordStore):
    """Counts how often executions were looked for, and how often they were counted."""

    def __init__(self, store: RecordStore) -> None:
        super().__init__(store)
        self.of_executions = self.counts = 0

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        self.of_executions += operation == "query" and kind is ExecutionRecord
        self.counts += operation == "count"
        return await super()._ask(operation, kind, request)

    async def counts_more(self, counts: int) -> None:
        """Returns when executions were counted so many times more."""
        enough = self.counts + counts

        async def are_enough() -> bool:
            return self.counts >= enough

        await eventually(are_enough)


class PolicyOutOfReach(ForwardingRecordStore):
    """The dispatch policy is not readable for now; all else is."""

    def __init__(self, store: RecordStore) -> None:
        super().__init__(store)
        self.is_down, self.refused = True, 0

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        if self.is_down and kind is DispatchPolicy:
            self.refused += 1
            raise Unavailable("the store is down")
        return await super()._ask(operation, kind, request)


def an_open_run(run_id: str) -> bytes:
    """Of `A_TENANT`, with one execution."""
    return msgspec.json.encode(
        signals.OpenRun(flow_run_id=run_id, tenant_id=A_TENANT, workflow=WORKFLOW, executions=1)
    )


async def knows_an_open_run(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, bus: EventBus
) -> None:
    """The dispatcher listens, has had one run made for another tenant, and knows run-9."""
    dispatcher.submit(Lane(A_THIRD_TENANT, WORKFLOW), "c-1")
    await started(flow_runs, 1)
    await bus.broadcast(signals.FLOW_RUN_OPEN, an_open_run("run-9"))
    await eventually(lambda: is_open(dispatcher))


@asynccontextmanager
async def sent_to_runs(bus: EventBus) -> AsyncIterator[list[tuple[str, list[str]]]]:
    """What is sent to open runs, as their workers see it."""
    sent: list[tuple[str, list[str]]] = []

    async def note(body: bytes) -> None:
        dispatched = msgspec.json.decode(body, type=signals.Dispatched)
        if dispatched.joins:
            sent.append((dispatched.flow_run_id, dispatched.execution_ids))

    async with bus.listen(signals.FLOW_RUN_DISPATCHED, note):
        yield sent


async def holds(sent: list[tuple[str, list[str]]], expected: list[tuple[str, list[str]]]) -> bool:
    return sent == expected


async def is_open(dispatcher: Dispatcher) -> bool:
    return dispatcher.open_run_of(Lane(A_TENANT, WORKFLOW)) is not None


async def is_closed(dispatcher: Dispatcher) -> bool:
    return not await is_open(dispatcher)


async def started(flow_runs: RememberedFlowRuns, count: int) -> list[tuple[str, list[str]]]:
    async def enough() -> bool:
        return len(flow_runs.started) >= count

    await eventually(enough)
    return flow_runs.started


async def test_a_lone_execution_gets_a_run_of_its_own(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns
) -> None:
    async with at_work(dispatcher):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")

        assert [(A_TENANT, ["e-1"])] == await started(flow_runs, 1)


async def test_what_comes_while_a_run_waits_for_a_worker_goes_out_together(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, bus: EventBus
) -> None:
    async with at_work(dispatcher):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        await started(flow_runs, 1)
        for number in range(2, 7):
            dispatcher.submit(Lane(A_TENANT, WORKFLOW), f"e-{number}")

        await bus.broadcast(signals.FLOW_RUN_STARTED, b"run-1")
        await started(flow_runs, 2)
        await bus.broadcast(signals.FLOW_RUN_STARTED, b"run-2")

        batches = [batch for _, batch in await started(flow_runs, 3)]
        assert [["e-1"], ["e-2", "e-3", "e-4"], ["e-5", "e-6"]] == batches


async def test_a_lone_execution_joins_the_open_run_of_its_lane_until_that_is_closed(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, bus: EventBus
) -> None:
    async with at_work(dispatcher), sent_to_runs(bus) as sent:
        await knows_an_open_run(dispatcher, flow_runs, bus)

        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        await eventually(lambda: holds(sent, [("run-9", ["e-1"])]))
        for number in (2, 3):
            dispatcher.submit(Lane(A_TENANT, WORKFLOW), f"e-{number}")
        await bus.broadcast(signals.EXECUTIONS_JOINED, b'["e-1"]')
        await eventually(lambda: holds(sent, [("run-9", ["e-1"]), ("run-9", ["e-2"])]))

        # SETTINGS allow three executions in a run, and it has one of its own.
        await bus.broadcast(signals.EXECUTIONS_JOINED, b'["e-2"]')
        assert (A_TENANT, ["e-3"]) == (await started(flow_runs, 2))[1]

        await bus.broadcast(signals.FLOW_RUN_OPEN, an_open_run("run-2"))
        await bus.broadcast(signals.FLOW_RUN_CLOSED, b"run-2")
        await eventually(lambda: is_closed(dispatcher))
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-4")
        assert (A_TENANT, ["e-4"]) == (await started(flow_runs, 3))[2]


async def test_what_no_run_takes_in_time_gets_a_run_of_its_own(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, bus: EventBus
) -> None:
    async with at_work(dispatcher):
        await knows_an_open_run(dispatcher, flow_runs, bus)

        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1", subject="0063X1")
        assert (A_TENANT, ["e-1"]) == (await started(flow_runs, 2))[1]
    assert "Opportunity 0063X1" == flow_runs.names[1]


async def test_what_is_taken_back_goes_first_and_in_its_order(
    store: RecordStore,
    bus: EventBus,
    flow_runs: RememberedFlowRuns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_runs, "CLAIM_SECONDS", 0.2)
    monkeypatch.setattr(open_runs, "SECONDS_FOR_EACH", 0.0)
    dispatcher = Dispatcher(replace(SETTINGS, batch_max=100), store, bus, flow_runs)
    others = [f"e-{number}" for number in range(2, 152)]
    async with at_work(dispatcher), sent_to_runs(bus) as sent:
        await knows_an_open_run(dispatcher, flow_runs, bus)
        for id in others:
            dispatcher.submit(Lane(A_TENANT, WORKFLOW), id)
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1", priority=9)

        in_order = ["e-1", *others]
        await eventually(lambda: holds(sent, [("run-9", in_order[:99])]))
        assert (A_TENANT, in_order[:100]) == (await started(flow_runs, 2))[1]
        await bus.broadcast(signals.FLOW_RUN_STARTED, b"run-2")
        assert (A_TENANT, in_order[100:]) == (await started(flow_runs, 3))[2]


async def test_of_what_was_sent_only_what_was_not_taken_is_dispatched_again(
    store: RecordStore,
    bus: EventBus,
    flow_runs: RememberedFlowRuns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_runs, "CLAIM_SECONDS", 0.5)
    dispatcher = Dispatcher(replace(SETTINGS, batch_max=100), store, bus, flow_runs)
    async with at_work(dispatcher), sent_to_runs(bus) as sent:
        await knows_an_open_run(dispatcher, flow_runs, bus)
        for number in (1, 2, 3):
            dispatcher.submit(Lane(A_TENANT, WORKFLOW), f"e-{number}")

        await eventually(lambda: holds(sent, [("run-9", ["e-1", "e-2", "e-3"])]))
        await bus.broadcast(signals.EXECUTIONS_JOINED, b'["e-1","e-3"]')
        assert (A_TENANT, ["e-2"]) == (await started(flow_runs, 2))[1]


async def test_a_run_that_was_to_have_closed_long_ago_is_not_waited_for(
    dispatcher: Dispatcher,
    flow_runs: RememberedFlowRuns,
    bus: EventBus,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with at_work(dispatcher), sent_to_runs(bus) as sent:
        await knows_an_open_run(dispatcher, flow_runs, bus)

        monkeypatch.setattr(open_runs, "_FORGOTTEN_AFTER_SECONDS", 0.0)
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        assert (A_TENANT, ["e-1"]) == (await started(flow_runs, 2))[1]
        assert [] == sent


async def test_executions_join_while_prefect_answers_to_nothing(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, bus: EventBus
) -> None:
    async with at_work(dispatcher), sent_to_runs(bus) as sent:
        await knows_an_open_run(dispatcher, flow_runs, bus)
        flow_runs.is_down = True
        dispatcher.submit(Lane(ANOTHER_TENANT, WORKFLOW), "b-1")

        async def is_refused() -> bool:
            return flow_runs.refused > 0

        await eventually(is_refused)
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        await eventually(lambda: holds(sent, [("run-9", ["e-1"])]))
        await bus.broadcast(signals.EXECUTIONS_JOINED, b'["e-1"]')

        flow_runs.is_down = False
        assert (ANOTHER_TENANT, ["b-1"]) == (await started(flow_runs, 2))[1]


async def test_of_many_that_wait_as_many_join_as_the_open_run_has_room_for(
    store: RecordStore, bus: EventBus, flow_runs: RememberedFlowRuns
) -> None:
    dispatcher = Dispatcher(replace(SETTINGS, batch_max=100), store, bus, flow_runs)
    many = [f"e-{number}" for number in range(120)]
    async with at_work(dispatcher), sent_to_runs(bus) as sent:
        await knows_an_open_run(dispatcher, flow_runs, bus)

        for id in many:
            dispatcher.submit(Lane(A_TENANT, WORKFLOW), id)
        await eventually(lambda: holds(sent, [("run-9", many[:99])]))
        assert 1 == len(flow_runs.started), "the others wait until it has taken these"

        await bus.broadcast(signals.EXECUTIONS_JOINED, msgspec.json.encode(many[:99]))
        assert (A_TENANT, many[99:]) == (await started(flow_runs, 2))[1]


async def test_what_was_opened_elsewhere_is_dispatched(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, bus: EventBus
) -> None:
    async with at_work(dispatcher):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        await started(flow_runs, 1)

        await bus.broadcast(
            signals.EXECUTION_OPENED, msgspec.json.encode(signals.Opened(ANOTHER_TENANT, "e-2"))
        )

        assert (ANOTHER_TENANT, ["e-2"]) == (await started(flow_runs, 2))[1]


async def test_all_dispatchers_ask_for_the_same_run_of_what_all_were_notified_of(
    store: RecordStore, bus: EventBus, flow_runs: RememberedFlowRuns
) -> None:
    several = [Dispatcher(SETTINGS, store, bus, flow_runs) for _ in range(3)]
    async with at_work(several[0]), at_work(several[1]), at_work(several[2]):
        for number, dispatcher in enumerate(several):
            dispatcher.submit(Lane(f"tenant-{number}", WORKFLOW), "e-0")
        await started(flow_runs, 3)  # all three listen

        for runs in (4, 5):
            opened = signals.Opened(A_TENANT, "e-1")
            await bus.broadcast(signals.EXECUTION_OPENED, msgspec.json.encode(opened))

            async def is_requested(runs: int = runs) -> bool:
                return len(set(flow_runs.keys)) == runs

            await eventually(is_requested)
            await asyncio.sleep(SETTINGS.sweep_seconds)  # the others would have asked by now
            await bus.broadcast(signals.FLOW_RUN_STARTED, f"run-{runs}".encode())

    assert 5 == len(set(flow_runs.keys)), "notified again, it may need another run"


async def test_what_another_dispatcher_has_dispatched_is_not_dispatched_again(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, bus: EventBus
) -> None:
    lane = Lane(A_TENANT, WORKFLOW)
    elsewhere = signals.Dispatched("another", "run-9", *lane, execution_ids=["e-1", "e-3"])
    async with at_work(dispatcher):
        dispatcher.submit(lane, "e-0")
        await started(flow_runs, 1)
        for number in range(1, 5):
            dispatcher.submit(lane, f"e-{number}")
        await bus.broadcast(signals.FLOW_RUN_DISPATCHED, msgspec.json.encode(elsewhere))
        await bus.broadcast(signals.FLOW_RUN_STARTED, b"run-1")
        dispatcher.submit(Lane(ANOTHER_TENANT, WORKFLOW), "b-0")
        assert (ANOTHER_TENANT, ["b-0"]) == (await started(flow_runs, 2))[1], "it waits for run-9"

        await bus.broadcast(signals.FLOW_RUN_STARTED, b"run-9")
        assert (A_TENANT, ["e-2", "e-4"]) == (await started(flow_runs, 3))[2]


async def test_a_sweep_leaves_to_its_flow_run_what_a_listener_dispatched_before_it_died(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, store: RecordStore
) -> None:
    await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    carried, left = an_execution(), an_execution()
    for execution in (carried, left):
        await store.create(A_TENANT, execution)
    flow_runs.runs = [a_flow_run(state="scheduled", execution_ids=[carried.id])]

    async with at_work(dispatcher):
        assert [(A_TENANT, [left.id])] == await started(flow_runs, 1)
        await asyncio.sleep(3 * SETTINGS.sweep_seconds)
    assert 1 == len(flow_runs.started)


async def test_a_record_that_cannot_be_read_keeps_nothing_else_from_its_dispatch(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, store: RecordStore, bus: EventBus
) -> None:
    await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    await put_unreadable(store, ExecutionRecord, A_TENANT, status="pending", workflow=WORKFLOW)
    await put_unreadable(store, TenantRecord, ids.SYSTEM_TENANT)
    await store.create(A_TENANT, accepted := an_execution())

    async with at_work(dispatcher):
        assert [(A_TENANT, [accepted.id])] == await started(flow_runs, 1)
        await put_unreadable(store, DispatchPolicy, ids.SYSTEM_TENANT, id=DispatchPolicy.ID)
        await bus.broadcast(signals.DISPATCH_POLICY_CHANGED, b"")
        await asyncio.sleep(3 * SETTINGS.sweep_seconds)
        dispatcher.submit(Lane(ANOTHER_TENANT, WORKFLOW), "e-1")
        assert (ANOTHER_TENANT, ["e-1"]) == (await started(flow_runs, 2))[1]


async def test_under_a_policy_that_cannot_be_read_nothing_is_dispatched(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, store: RecordStore
) -> None:
    await put_unreadable(store, DispatchPolicy, ids.SYSTEM_TENANT, id=DispatchPolicy.ID)
    dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")

    with pytest.raises(UnreadableRecord, match="dispatch-policy"):
        await asyncio.wait_for(dispatcher.run(), 10)
    assert [] == flow_runs.started


async def test_until_the_policy_is_known_nothing_is_dispatched(
    store: RecordStore,
    bus: EventBus,
    flow_runs: RememberedFlowRuns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatching, "_LOOK_SECONDS", 0.05)
    dispatcher = Dispatcher(SETTINGS, out_of_reach := PolicyOutOfReach(store), bus, flow_runs)

    async def was_asked_for_often() -> bool:
        return out_of_reach.refused >= 5

    async with at_work(dispatcher):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        await eventually(was_asked_for_often)
        assert [] == flow_runs.started
        assert "the dispatch policy is not known: the store is down" == dispatcher.held_up_by

        out_of_reach.is_down = False
        assert [(A_TENANT, ["e-1"])] == await started(flow_runs, 1)
        assert dispatcher.held_up_by is None


async def test_tenants_take_turns(dispatcher: Dispatcher, flow_runs: RememberedFlowRuns) -> None:
    for number in range(6):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), f"a-{number}")
    dispatcher.submit(Lane(ANOTHER_TENANT, WORKFLOW), "b-0")

    async with at_work(dispatcher):
        runs = await started(flow_runs, 2)

    assert [A_TENANT, ANOTHER_TENANT] == [tenant_id for tenant_id, _ in runs]


async def test_an_execution_submitted_twice_is_dispatched_once(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns
) -> None:
    dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
    dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")

    async with at_work(dispatcher):
        assert [(A_TENANT, ["e-1"])] == await started(flow_runs, 1)


async def test_what_was_accepted_before_a_crash_is_found_and_dispatched(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, store: RecordStore
) -> None:
    execution = an_execution()
    await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    await store.create(A_TENANT, execution)
    await store.create(A_TENANT, an_execution(status="running"))

    async with at_work(dispatcher):
        assert [(A_TENANT, [execution.id])] == await started(flow_runs, 1)


async def test_nothing_is_lost_while_prefect_is_down(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns
) -> None:
    flow_runs.is_down = True
    async with at_work(dispatcher):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")

        async def was_refused() -> bool:
            return flow_runs.refused > 0

        await eventually(was_refused)
        flow_runs.is_down = False

        assert [(A_TENANT, ["e-1"])] == await started(flow_runs, 1)


async def test_why_executions_wait_is_known_until_they_are_dispatched(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns
) -> None:
    async def is_held_up_by(reason: str | None) -> bool:
        return dispatcher.held_up_by == reason

    async with at_work(dispatcher):
        assert await is_held_up_by(None)
        flow_runs.is_down = True
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        await eventually(lambda: is_held_up_by("Prefect is down"))

        flow_runs.is_down = False
        await eventually(lambda: is_held_up_by(None))
        assert [(A_TENANT, ["e-1"])] == flow_runs.started


async def test_a_prefect_that_does_not_answer_holds_up_what_waits(
    store: RecordStore, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "_ANSWER_SECONDS", 0.0)
    dispatcher = Dispatcher(SETTINGS, store, bus, slow := SlowFlowRuns())
    async with at_work(dispatcher):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        await slow.is_asked.wait()
        assert "Prefect has not answered for 0 s" == dispatcher.held_up_by

        slow.may_answer.set()
        await started(slow, 1)
        assert dispatcher.held_up_by is None


async def test_what_is_being_dispatched_is_not_dispatched_again_by_a_sweep_that_finds_it_pending(
    store: RecordStore, bus: EventBus
) -> None:
    slow, execution = SlowFlowRuns(), an_execution()
    await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    await store.create(A_TENANT, execution)
    dispatcher, swept = Dispatcher(SETTINGS, counting := CountedQueries(store), bus, slow), 0

    async def has_swept_twice_more() -> bool:
        return counting.of_executions >= swept + 2

    async with at_work(dispatcher):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), execution.id)
        await asyncio.wait_for(slow.is_asked.wait(), 10)
        swept = counting.of_executions
        await eventually(has_swept_twice_more)
        slow.may_answer.set()
        await started(slow, 1)
        await bus.broadcast(signals.FLOW_RUN_STARTED, b"run-1")
        swept = counting.of_executions
        await eventually(has_swept_twice_more)

    assert [(A_TENANT, [execution.id])] == slow.started


async def test_what_is_dispatched_while_a_sweep_asks_prefect_is_dispatched_once(
    store: RecordStore, bus: EventBus
) -> None:
    class SlowList(RememberedFlowRuns):
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def list_runs(self, **_: object) -> list[FlowRunView]:
            """As Prefect knew them when it was asked."""
            self.asked.set()
            await self.may_answer.wait()
            return []

    slow, execution = SlowList(), an_execution()
    await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    await store.create(A_TENANT, execution)
    dispatcher = Dispatcher(SETTINGS, store, bus, slow)
    async with at_work(dispatcher):
        await asyncio.wait_for(slow.asked.wait(), 10)
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), execution.id)
        await started(slow, 1)
        await bus.broadcast(signals.FLOW_RUN_STARTED, b"run-1")
        slow.may_answer.set()
        dispatcher.submit(Lane(ANOTHER_TENANT, WORKFLOW), "e-2")
        await started(slow, 2)
        await asyncio.sleep(3 * SETTINGS.sweep_seconds)

    assert [(A_TENANT, [execution.id]), (ANOTHER_TENANT, ["e-2"])] == slow.started


async def test_a_run_whose_answer_was_lost_is_asked_for_again_under_the_same_key(
    store: RecordStore, bus: EventBus
) -> None:
    deaf = AnswersAreLost(2)
    dispatcher = Dispatcher(SETTINGS, store, bus, deaf)
    async with at_work(dispatcher):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        await started(deaf, 1)
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-2")
        await started(deaf, 3)

    assert [(A_TENANT, ["e-1"])] * 3 == deaf.started[:3]
    assert 1 == len(set(deaf.keys[:3]))


async def test_a_limit_counts_what_is_on_its_way_to_an_open_run(
    store: RecordStore, bus: EventBus, flow_runs: RememberedFlowRuns
) -> None:
    dispatcher = Dispatcher(replace(SETTINGS, batch_max=100), store, bus, flow_runs)
    lane = Lane(A_TENANT, WORKFLOW)
    for tenant_id in (A_TENANT, A_THIRD_TENANT):
        await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=tenant_id))
    async with at_work(dispatcher), sent_to_runs(bus) as sent:
        await knows_an_open_run(dispatcher, flow_runs, bus)
        await change_policy(store, bus, lambda policy: replace(policy, running_max=10))
        await asyncio.sleep(2 * COUNT_SECONDS)
        for number in range(20):
            dispatcher.submit(lane, f"a-{number}")
        await asyncio.sleep(COUNT_SECONDS / 2)
        dispatcher.submit(Lane(ANOTHER_TENANT, WORKFLOW), "b-1")
        await asyncio.sleep(1.5 * COUNT_SECONDS)  # the run has not taken them yet

        [(_, on_their_way)] = sent
        # With the one that waits for its worker.
        assert 9 == len(on_their_way)
        assert 1 == len(flow_runs.started)


async def test_a_limit_counts_what_prefect_is_asked_for(store: RecordStore, bus: EventBus) -> None:
    slow, counting = SlowFlowRuns(), CountedQueries(store)
    dispatcher = Dispatcher(replace(SETTINGS, batch_max=100), counting, bus, slow)
    await change_policy(store, bus, lambda policy: replace(policy, running_max=10))
    await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    async with at_work(dispatcher), sent_to_runs(bus) as sent:
        for number in range(20):
            dispatcher.submit(Lane(A_TENANT, WORKFLOW), f"e-{number}")
        await asyncio.wait_for(slow.is_asked.wait(), 10)
        await bus.broadcast(signals.FLOW_RUN_OPEN, an_open_run("run-9"))
        await eventually(lambda: is_open(dispatcher))
        await counting.counts_more(2)
        assert [] == sent

        slow.may_answer.set()
        assert [10] == [len(batch) for _, batch in await started(slow, 1)]
        await counting.counts_more(2)
        assert [] == sent


async def test_a_limit_holds_for_a_tenant_that_comes_while_another_waits_at_its_own(
    store: RecordStore, bus: EventBus, flow_runs: RememberedFlowRuns
) -> None:
    dispatcher = Dispatcher(SETTINGS, counting := CountedQueries(store), bus, flow_runs)
    two_each = TenantShare(running_max=2)
    await change_policy(store, bus, lambda policy: replace(policy, default=two_each))
    for tenant_id in (A_TENANT, A_TENANT, ANOTHER_TENANT, ANOTHER_TENANT):
        running = await store.create(tenant_id, an_execution(tenant_id=tenant_id, status="running"))
    async with at_work(dispatcher):
        for number in range(3):
            dispatcher.submit(Lane(A_TENANT, WORKFLOW), f"a-{number}")
        await counting.counts_more(1)
        for number in range(3):
            dispatcher.submit(Lane(ANOTHER_TENANT, WORKFLOW), f"b-{number}")
            await counting.counts_more(1)
        assert [] == flow_runs.started

        await transitions.complete(store, running)
        assert [(ANOTHER_TENANT, ["b-0"])] == await started(flow_runs, 1)


async def test_a_limit_holds_until_an_execution_has_ended(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, store: RecordStore, bus: EventBus
) -> None:
    await change_policy(
        store, bus, lambda policy: replace(policy, tenants={A_TENANT: TenantShare(running_max=2)})
    )
    running = await store.create(A_TENANT, an_execution(status="running"))

    async with at_work(dispatcher):
        for number in range(3):
            dispatcher.submit(Lane(A_TENANT, WORKFLOW), f"e-{number}")
        dispatcher.submit(Lane(ANOTHER_TENANT, WORKFLOW), "b-0")
        runs = await started(flow_runs, 2)
        assert sorted([(A_TENANT, ["e-0"]), (ANOTHER_TENANT, ["b-0"])]) == sorted(runs)
        await bus.broadcast(signals.FLOW_RUN_STARTED, b"run-1")
        await bus.broadcast(signals.FLOW_RUN_STARTED, b"run-2")

        await transitions.complete(store, running)
        assert (A_TENANT, ["e-1", "e-2"]) == (await started(flow_runs, 3))[2]


async def test_a_changed_policy_is_in_force_at_once(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, store: RecordStore, bus: EventBus
) -> None:
    await change_policy(
        store, bus, lambda policy: replace(policy, default=TenantShare(running_max=0))
    )
    async with at_work(dispatcher):
        dispatcher.submit(Lane(A_TENANT, WORKFLOW), "e-1")
        await change_policy(store, bus, lambda policy: replace(policy, default=TenantShare()))

        assert [(A_TENANT, ["e-1"])] == await started(flow_runs, 1)


# --- names ----------------------------------------------------------------------------------------


async def test_a_run_is_named_for_its_subject_whoever_has_submitted_it(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns, store: RecordStore, bus: EventBus
) -> None:
    swept = an_execution(subject="0063X2")
    await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    await store.create(A_TENANT, swept)
    async with at_work(dispatcher):
        await started(flow_runs, 1)
        dispatcher.submit(Lane(ANOTHER_TENANT, WORKFLOW), "e-1", subject="0063X1")
        await started(flow_runs, 2)
        await notify_dispatchers(bus, an_execution(tenant_id=A_THIRD_TENANT, subject="0063X3"))
        await started(flow_runs, 3)

    assert ["Opportunity 0063X2", "Opportunity 0063X1", "Opportunity 0063X3"] == flow_runs.names


async def test_the_subjects_of_a_batch_survive_an_outage_of_prefect(
    dispatcher: Dispatcher, flow_runs: RememberedFlowRuns
) -> None:
    flow_runs.is_down = True
    async with at_work(dispatcher):
        for number in (1, 2):
            dispatcher.submit(Lane(A_TENANT, WORKFLOW), f"e-{number}", subject=f"0063X{number}")

        async def was_refused() -> bool:
            return flow_runs.refused > 0

        await eventually(was_refused)
        flow_runs.is_down = False
        await started(flow_runs, 1)

    assert ["2 opportunities: 0063X1, 0063X2"] == flow_runs.names
