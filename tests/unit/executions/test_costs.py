"""What an execution costs, counted: messages, signals, requests to the record store, flow runs.

No figure here depends on the machine. One that falls is entered; one that would have to grow needs
a reason. Intake, dispatch and analysis are the real ones on the embedded store and bus; Prefect's
part, which is to call the flow, is played by the test.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import msgspec
import pytest

from blocks import signals
from blocks.adapters.forwarding import ForwardingEventBus, ForwardingRecordStore
from blocks.approvals import lifecycle
from blocks.approvals.decisions import Vote
from blocks.clock import utc_now
from blocks.contracts.analysis import ANALYSIS_STEPS
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, Record
from blocks.executions.retention import Retention
from blocks.executions.steps import step_records
from blocks.ports import EventBus, Message, Query, RecordStore
from blocks.processes.ending import ended
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from blocks.topology import intake_queue, topology
from flows.analysis import batch as analysis_batch
from flows.analysis.batch import AnalysisBatch
from flows.analysis.claiming import claim_analyses
from flows.opportunity_analysis import run_step
from flows.shared.admission import SLICE
from flows.shared.approval_gate import asked_at_gate, pass_gate
from flows.shared.claims import notify_started
from flows.shared.runtime import Runtime
from listeners.context import Context
from listeners.dispatch.dispatcher import Dispatcher
from listeners.router import Router
from listeners.triggers.intake import Intake
from tests.benchmarks.sizing import capacity
from tests.support.factories import A_TENANT
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.system.analysis_services import opportunity_event, services_on
from tests.support.waiting import eventually

T = TypeVar("T")

MANY = 20
"""Executions of one tenant that wait together."""

OF_ONE = Counter(messages=10, reads=1, writes=4)
"""Of an execution that is alone, without its answers."""

OF_A_BUNCH = Counter(reads=2, writes=4)
"""Of executions that are opened, claimed, completed and announced together, without their messages.
How many that are depends on the machine: of many, at least four.
"""

OF_ANSWERS = Counter(signals=1, reads=1, writes=1)
"""Of answers that are judged together. How many that are depends on the machine: of many executions
at least four, so that it is as if each had all of its own together; of one alone perhaps none.
"""

OF_A_RUN = Counter(signals=3, reads=10, writes=1, flow_runs=1)
"""Of a flow run, however many executions it carries; of the first event of a tenant, and of the
dispatcher's look at its own start.
"""

OF_A_SLICE = Counter(messages=1, signals=1)
"""The mark that follows it through the intake queue."""

OF_AN_APPROVAL = Counter(messages=2, reads=7, writes=9)
"""In addition, of an execution that a person approves."""

OF_A_DELETION = Counter(reads=3, writes=5)
"""Of an execution whose time is over; of all that are looked at together, one more read."""


class CountedBus(ForwardingEventBus):
    def __init__(self, bus: EventBus, costs: Counter[str]) -> None:
        super().__init__(bus)
        self._costs = costs

    async def publish(self, *messages: Message, required: bool = False) -> None:
        self._costs["messages"] += len(messages)
        await super().publish(*messages, required=required)

    async def deliver(self, queue: str, *messages: Message) -> None:
        self._costs["messages"] += len(messages)
        await super().deliver(queue, *messages)

    async def broadcast(self, topic: str, body: bytes) -> None:
        self._costs["signals"] += 1
        await super().broadcast(topic, body)


class CountedStore(ForwardingRecordStore):
    def __init__(self, store: RecordStore, costs: Counter[str]) -> None:
        super().__init__(store)
        self._costs = costs

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        self._costs["writes" if operation in WRITES else "reads"] += 1
        return await super()._ask(operation, kind, request)


WRITES = ("create", "create_all", "replace", "replace_all", "delete")


class Scene:
    """A listener and a worker in one process, and what their calls have cost."""

    def __init__(self, settings: Settings, bus: EventBus, store: RecordStore) -> None:
        self.settings, self.costs = settings, Counter[str]()
        self.plain_bus, self.plain_store = bus, store
        self.bus, self.store = CountedBus(bus, self.costs), CountedStore(store, self.costs)
        self.flow_runs = RememberedFlowRuns()
        self.runtime = Runtime(settings, self.bus, self.store, self.flow_runs)
        self.dispatcher = Dispatcher(settings.dispatch, self.store, self.bus, self.flow_runs)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        router = Router(Context(self.store, self.bus, Intake(self.store, self.dispatcher)))
        queue = intake_queue(self.settings)
        async with self.plain_bus.consume_together(queue, router.handle_together):
            yield

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """What is pending has been dispatched."""
        dispatching = asyncio.create_task(self.dispatcher.run())
        try:
            async with (
                self.bus.listen(signals.STEPS_SETTLED, self.runtime.steps_settled),
                self.bus.listen(signals.INTAKE_PASSED, self.runtime.admission.mark_passed),
            ):
                await eventually(self._has_dispatched, within_seconds=10)
                self.costs["flow_runs"] = len(self.flow_runs.started)
                yield
        finally:
            await ended(dispatching)

    async def _has_dispatched(self) -> bool:
        return bool(self.flow_runs.started)

    async def executions(self) -> list[ExecutionRecord]:
        page = await self.plain_store.query(A_TENANT, Query(ExecutionRecord))
        return [stored.record for stored in page.items]

    async def opened(self, count: int, **data: object) -> None:
        """So many more events have come, and their executions are pending."""
        before = await self.plain_store.count(A_TENANT, ExecutionRecord)
        await self.plain_bus.publish(
            *(
                opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()), **data)
                for _ in range(count)
            )
        )

        async def are_there() -> bool:
            return await self.plain_store.count(A_TENANT, ExecutionRecord) == before + count

        await eventually(are_there, within_seconds=10)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    settings = load_settings(
        {"ORCHESTRATOR_DATA_DIR": str(tmp_path), "HITL_APPROVALS_ENABLED": "true"}
    )
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", "run-1")
    # What is looked for by the clock costs by the second, not by the execution.
    monkeypatch.setattr(analysis_batch, "REREAD_SECONDS", 600.0)
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await store.provision()
        await bus.declare(*topology(settings))
        yield Scene(settings, bus, store)


async def carried_out(scene: Scene) -> AnalysisBatch:
    """The first flow run has done what `opportunity_analysis` does up to the gate."""
    [(tenant_id, execution_ids)] = scene.flow_runs.started
    analyses = await claim_analyses(scene.runtime, tenant_id, execution_ids)
    batch = AnalysisBatch(scene.runtime, tenant_id, analyses)
    with scene.runtime.expecting(batch.execution_ids, batch):
        await batch.start()
        async with asyncio.TaskGroup() as group:
            for step in ANALYSIS_STEPS:
                group.create_task(run_step.fn(step.name, batch))
            group.create_task(batch.ask())
            group.create_task(batch.conclude())
            await batch.is_under_way.wait()
            await notify_started(scene.runtime, "run-1")
    return batch


async def test_an_execution_costs_no_more_than_it_did(scene: Scene) -> None:
    async with (
        services_on(scene.plain_bus, "costs"),
        scene.listening(),
    ):
        await scene.opened(1, amount=1000)  # the listener knows the tenant from now on
        await scene.opened(MANY - 1, amount=1000)
        async with scene.working():
            await carried_out(scene)

    assert {"completed"} == {execution.status for execution in await scene.executions()}
    allowed = (
        times(MANY, OF_ANSWERS + Counter(messages=OF_ONE["messages"]))
        + times(MANY // 4, OF_A_BUNCH)
        + OF_A_RUN
        + times(MANY // SLICE, OF_A_SLICE)
    )
    assert {} == scene.costs - allowed, f"{scene.costs} instead of {allowed}"


def times(number: int, costs: Counter[str]) -> Counter[str]:
    return Counter({what: number * cost for what, cost in costs.items()})


async def test_a_deletion_costs_no_more_than_it_did(scene: Scene) -> None:
    async with services_on(scene.plain_bus, "costs"), scene.listening():
        await scene.opened(2, amount=1000)
        async with scene.working():
            await carried_out(scene)
    scene.costs.clear()

    assert 2 == await Retention().delete(scene.store, A_TENANT, utc_now())

    allowed = times(2, OF_A_DELETION) + Counter(reads=1)
    assert {} == scene.costs - allowed, f"{scene.costs} instead of {allowed}"


async def test_records_are_as_large_as_sizing_assumes(scene: Scene) -> None:
    async with services_on(scene.plain_bus, "costs"), scene.listening():
        await scene.opened(2, amount=1000)
        async with scene.working():
            await carried_out(scene)

    executions = await scene.executions()
    steps = await step_records(scene.plain_store, A_TENANT, [one.id for one in executions])
    without_results = [msgspec.structs.replace(one, results=None) for one in executions]
    of_steps = [msgspec.structs.replace(one, result=None) for one in steps]
    assert kilobytes(without_results) == pytest.approx(capacity.EXECUTION_KB, rel=0.25)
    assert kilobytes(of_steps) == pytest.approx(capacity.STEP_KB, rel=0.25)


def kilobytes(records: Sequence[Record]) -> float:
    """Of the largest of them, as it is stored."""
    return max(len(msgspec.json.encode(record)) for record in records) / 1000


async def test_an_approval_costs_no_more_than_it_did(scene: Scene) -> None:
    async with (
        services_on(scene.plain_bus, "costs"),
        scene.listening(),
    ):
        await scene.opened(1, amount=5_000_000)
        async with scene.working():
            await carried_out(scene)
            await approved(scene)

    assert ["completed"] == [execution.status for execution in await scene.executions()]
    allowed = OF_ONE + times(4, OF_ANSWERS) + OF_A_RUN + OF_AN_APPROVAL
    assert {} == scene.costs - allowed, f"{scene.costs} instead of {allowed}"


async def approved(scene: Scene) -> None:
    """A person has approved what the gate asks, in Prefect's form; the resumed run has ended it."""
    [analysis] = await claim_analyses(scene.runtime, A_TENANT, scene.flow_runs.started[0][1])
    [asked] = await asked_at_gate(scene.runtime, analysis)
    assert isinstance(asked.record, ApprovalRecord)
    vote = Vote(actor="user-7", outcome="approved", channel="prefect-ui", reason="seen")
    await lifecycle.record_vote(scene.store, A_TENANT, asked.record.id, vote)
    [again] = await claim_analyses(scene.runtime, A_TENANT, scene.flow_runs.started[0][1])
    await pass_gate(scene.runtime, again)
