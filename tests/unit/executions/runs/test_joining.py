"""A flow run that is open: what joins it takes turns with others, and comes to its gate; what
cannot be read stops nothing else.

On the embedded store and bus; Prefect's part is played by the test.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import prefect.runtime.flow_run
import pytest

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.executions import transitions
from blocks.ports import UnreadableRecord
from flows.analysis import batch as analysis_batch
from flows.analysis import open_run
from flows.analysis.batch import AnalysisBatch
from flows.analysis.progress import Analysis, AnalysisRules
from flows.shared.claims import claim_all
from tests.support.factories import A_TENANT, an_execution
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


async def test_one_that_came_to_its_gate_while_others_were_being_claimed_goes_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []

    async def continue_alone(_: object, analysis: Analysis) -> None:
        sent.append(analysis.id)
        analysis.stored = await transitions.change(scene.store, analysis.stored, flow_run_id=None)

    for module in (analysis_batch, open_run):
        monkeypatch.setattr(module, "continue_alone", continue_alone)
    claiming, may_claim = asyncio.Event(), asyncio.Event()
    async with a_scene() as scene:

        async def claim(ids: Sequence[str]) -> list[Analysis]:
            claiming.set()
            await may_claim.wait()
            return await claim_in(scene)(ids)

        batch, [first] = await a_batch(scene, 1, lambda _: TIMEOUT)
        [alone] = batch.analyses
        alone.stored = await transitions.change(scene.store, alone.stored, approval_ids=["a-1"])
        async with open_for(scene, batch, claim):
            batch.offer([one.id for one in await pending(scene, 2)])
            await asyncio.wait_for(claiming.wait(), 10)
            for name in STEPS:
                batch.receive(await settle(scene, first, name, "answered"))
            await eventually(is_now(scene, first, "awaiting_approval"))
            may_claim.set()

            async def is_sent() -> bool:
                return sent == [first.id]

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


async def test_an_execution_that_cannot_be_read_at_its_deadline_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unreadable(*_: object, **__: object) -> StepRecord:
        raise UnreadableRecord("step forecast cannot be read")

    monkeypatch.setattr(analysis_batch, "record_step", unreadable)
    async with a_scene() as scene:
        batch, [execution] = await a_batch(scene, 1, lambda _: TIMEOUT)
        scene.ahead = 2 * TIMEOUT
        await asyncio.wait_for(carried_out(batch), 10)
        assert "running" == (await now(scene, execution)).status
