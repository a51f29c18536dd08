"""A flow run that is open: what joins it takes turns with others, and comes to its gate; what
cannot be read stops nothing else.

On the embedded store and bus; Prefect's part is played by the test.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import prefect.runtime.flow_run
import pytest

from blocks import signals
from blocks.contracts import rejections
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.ids import step_record_id
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.executions import transitions
from blocks.ports import UnreadableRecord
from flows.analysis import open_run
from flows.analysis.batch import AnalysisBatch
from flows.analysis.progress import Analysis, AnalysisRules
from flows.shared.claims import claim_all
from tests.support.factories import A_TENANT, an_execution
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.stores import put_unreadable
from tests.support.waiting import eventually
from tests.unit.executions.test_batch_endings import (
    CRITICAL,
    STEPS,
    TIMEOUT,
    Scene,
    a_batch,
    a_scene,
    carried_out,
    now,
    settle,
)

RUN = "run-1"

Claim = Callable[[Sequence[str]], Awaitable[list[Analysis]]]


@pytest.fixture(autouse=True)
def of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect.runtime.flow_run, "id", RUN, raising=False)


def claim_in(scene: Scene) -> Claim:
    async def claim(ids: Sequence[str]) -> list[Analysis]:
        claimed = await claim_all(scene.context, A_TENANT, ids, RUN, workflow=WORKFLOW)
        rules = AnalysisRules(CRITICAL, TIMEOUT, ApprovalRule(enabled=False))
        return [Analysis(stored, rules) for stored in claimed]

    return claim


@asynccontextmanager
async def open_for(scene: Scene, batch: AnalysisBatch, claim: Claim) -> AsyncIterator[None]:
    """The run is under way and takes more."""
    batch.is_open = True

    async def carry() -> None:
        with scene.context.expecting(batch.execution_ids, batch):
            async with asyncio.TaskGroup() as group:
                group.create_task(carried_out(batch))
                await batch.is_under_way.wait()
                run = open_run.OpenRun(scene.context, A_TENANT, batch, batch.execution_ids)
                await run.take_more(claim)

    carrying = asyncio.create_task(carry())
    try:
        await asyncio.wait_for(batch.is_under_way.wait(), 10)
        yield
        assert not carrying.done() or carrying.exception() is None
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


async def pending(scene: Scene, count: int) -> list[ExecutionRecord]:
    executions = [an_execution() for _ in range(count)]
    await scene.store.create_all(A_TENANT, executions)
    return executions


async def answer_all(scene: Scene, batch: AnalysisBatch, execution: ExecutionRecord) -> None:
    for name in STEPS:
        batch.receive(await settle(scene, execution, name, "answered"))


async def asks_a_person(scene: Scene, analysis: Analysis) -> None:
    """An approval is requested for it from outside."""
    analysis.stored = await transitions.change(scene.store, analysis.stored, approval_ids=["a-1"])


def is_now(scene: Scene, execution: ExecutionRecord, status: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return (await now(scene, execution)).status == status

    return look


async def test_what_joins_begins_in_one_place_however_often_it_is_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[int] = []
    may_begin = asyncio.Event()
    async with a_scene() as scene:
        batch, _ = await a_batch(scene, 1, lambda _: TIMEOUT)

        async def begin(analyses: Sequence[Analysis]) -> None:
            begun.append(len(analyses))
            await may_begin.wait()

        monkeypatch.setattr(batch, "begin", begin)
        async with open_for(scene, batch, claim_in(scene)):
            for carried in (2, 5, 8, 11):
                batch.offer([one.id for one in await pending(scene, 1 if carried == 2 else 3)])

                async def has_joined(carried: int = carried) -> bool:
                    return len(batch) == carried

                await eventually(has_joined)
            assert [1] == begun, "the others wait for its turn"
            may_begin.set()

            async def all_have_begun() -> bool:
                return begun == [1, 9]

            await eventually(all_have_begun)


async def test_one_that_came_to_its_gate_while_others_were_being_claimed_goes_there() -> None:
    claiming, may_claim = asyncio.Event(), asyncio.Event()
    async with a_scene() as scene:

        async def claim(ids: Sequence[str]) -> list[Analysis]:
            claiming.set()
            await may_claim.wait()
            return await claim_in(scene)(ids)

        batch, [first] = await a_batch(scene, 1, lambda _: TIMEOUT)
        await asks_a_person(scene, batch.analyses[0])
        async with open_for(scene, batch, claim):
            batch.offer([one.id for one in await pending(scene, 2)])
            await asyncio.wait_for(claiming.wait(), 10)
            await answer_all(scene, batch, first)
            await eventually(is_now(scene, first, "awaiting_approval"))
            may_claim.set()

            async def is_sent() -> bool:
                return [(A_TENANT, [first.id])] == scene.flow_runs.started

            await eventually(is_sent)


async def test_what_cannot_be_claimed_leaves_those_alone_that_are_under_way() -> None:
    async with a_scene() as scene:

        async def claim(_: Sequence[str]) -> list[Analysis]:
            raise UnreadableRecord("the definition cannot be read")

        batch, [first] = await a_batch(scene, 1, lambda _: TIMEOUT)
        async with open_for(scene, batch, claim):
            batch.offer([one.id for one in await pending(scene, 2)])
            for name in STEPS:
                batch.receive(await settle(scene, first, name, "answered"))
            await eventually(is_now(scene, first, "completed"))
    assert 1 == len(batch)


async def test_one_that_is_retried_while_its_end_is_written_is_left_to_another_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    joined: list[str] = []
    ending, may_end = asyncio.Event(), asyncio.Event()
    async with a_scene() as scene:
        batch, [first] = await a_batch(scene, 1, lambda _: TIMEOUT)

        async def slow(*arguments: Any) -> Any:
            ending.set()
            await may_end.wait()
            return await change_all(*arguments)

        async def broadcast(topic: str, body: bytes) -> None:
            if topic == signals.EXECUTIONS_JOINED:
                joined.extend(msgspec.json.decode(body))

        change_all = transitions.change_all
        monkeypatch.setattr(scene.context.bus, "broadcast", broadcast)
        async with open_for(scene, batch, claim_in(scene)):
            monkeypatch.setattr(transitions, "change_all", slow)
            await answer_all(scene, batch, first)
            await asyncio.wait_for(ending.wait(), 10)
            monkeypatch.setattr(transitions, "change_all", change_all)
            [other] = await pending(scene, 1)
            batch.offer([first.id, other.id])

            async def has_joined() -> bool:
                return len(batch) == 2

            await eventually(has_joined)
            may_end.set()
            await eventually(is_now(scene, first, "completed"))
    assert [other.id] == joined


async def test_one_that_is_retried_while_its_end_is_announced_joins_and_is_carried_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    announcing, may_announce = asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> None:
        announcing.set()
        await may_announce.wait()
        await announce(*arguments)

    announce = transitions.announce
    async with a_scene() as scene:
        batch, [first, _] = await a_batch(scene, 2, lambda _: TIMEOUT)
        async with open_for(scene, batch, claim_in(scene)):
            monkeypatch.setattr(transitions, "announce", slow)
            for name in STEPS:
                batch.receive(await settle(scene, first, name, "failed"))
            await asyncio.wait_for(announcing.wait(), 10)
            ended = await scene.store.read(A_TENANT, ExecutionRecord, first.id)
            await transitions.reopen(scene.store, ended)
            batch.offer([first.id])
            await eventually(is_now(scene, first, "running"))
            may_announce.set()
            await answer_all(scene, batch, await now(scene, first))
            await eventually(is_now(scene, first, "completed"))


async def test_a_step_that_cannot_be_read_stops_nobody_elses_execution() -> None:
    async with a_scene() as scene:
        batch, [damaged, good] = await a_batch(scene, 2, lambda _: TIMEOUT)
        await put_unreadable(
            scene.store, StepRecord, A_TENANT, executionId=damaged.id, step="forecast"
        )
        running = asyncio.create_task(carried_out(batch))
        for name in STEPS:
            batch.receive(await settle(scene, good, name, "answered"))
        await eventually(is_now(scene, good, "completed"), within_seconds=10)
        running.cancel()


async def test_one_whose_step_cannot_be_read_at_its_deadline_has_failed_and_is_announced() -> None:
    async with a_scene() as scene:
        batch, [damaged, good] = await a_batch(scene, 2, lambda _: TIMEOUT)
        step_id = step_record_id(damaged.id, "forecast")
        await put_unreadable(scene.store, StepRecord, A_TENANT, id=step_id)
        running = asyncio.create_task(carried_out(batch))
        await answer_all(scene, batch, good)
        await eventually(is_now(scene, good, "completed"))
        scene.ahead = 2 * TIMEOUT
        await asyncio.wait_for(running, 10)
        ended = await now(scene, damaged)
    assert ("failed", rejections.RUN_FAILED) == (ended.status, ended.error_code)
    assert step_id in (ended.error or "")
    assert ended.announced_at


@pytest.mark.parametrize("is_late", [False, True], ids=["at its end", "at its deadline"])
async def test_one_that_cannot_be_read_is_let_go_and_the_others_end(is_late: bool) -> None:
    async with a_scene() as scene:
        batch, [damaged, good] = await a_batch(scene, 2, lambda _: TIMEOUT)
        running = asyncio.create_task(carried_out(batch))
        answers = (
            [] if is_late else [await settle(scene, damaged, name, "answered") for name in STEPS]
        )
        await put_unreadable(scene.store, ExecutionRecord, A_TENANT, id=damaged.id)
        for answer in answers:
            batch.receive(answer)
        await answer_all(scene, batch, good)
        if is_late:
            scene.ahead = 2 * TIMEOUT
        await asyncio.wait_for(running, 10)
        assert "completed" == (await now(scene, good)).status
        with pytest.raises(UnreadableRecord):
            await now(scene, damaged)


# --- at the gate ----------------------------------------------------------------------------------


class UnansweringFlowRuns(RememberedFlowRuns):
    async def start(self, *arguments: Any, **named: Any) -> str:
        await asyncio.Event().wait()
        raise AssertionError("it waits for ever")


async def test_while_prefect_refuses_a_run_for_one_at_its_gate_the_others_end() -> None:
    async with a_scene() as scene:
        scene.flow_runs.is_down = True
        batch, [asking, other] = await a_batch(scene, 2, lambda _: TIMEOUT)
        await asks_a_person(scene, batch.analyses[0])
        running = asyncio.create_task(carried_out(batch))
        for execution in (asking, other):
            await answer_all(scene, batch, execution)
        await asyncio.wait_for(running, 10)
        left = await now(scene, asking)
        assert ("awaiting_approval", None) == (left.status, left.flow_run_id), "the reconciler's"
        assert (await now(scene, other)).announced_at


async def test_while_prefect_does_not_answer_for_one_at_its_gate_the_others_end() -> None:
    async with a_scene() as scene:
        scene.context.flow_runs = UnansweringFlowRuns()
        batch, [asking, other] = await a_batch(scene, 2, lambda _: TIMEOUT)
        await asks_a_person(scene, batch.analyses[0])
        running = asyncio.create_task(carried_out(batch))
        await answer_all(scene, batch, asking)
        await eventually(is_now(scene, asking, "awaiting_approval"))
        await answer_all(scene, batch, other)
        await eventually(is_now(scene, other, "completed"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
