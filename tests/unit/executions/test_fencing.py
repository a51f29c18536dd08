"""Fencing: a run whose execution was taken over writes nothing and announces nothing, whatever it
still believes.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest

from blocks.actions.cancelling import cancel_execution
from blocks.contracts.analysis import ANALYSIS_STEPS, STEP_BY_NAME, WORKFLOW
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.executions import transitions
from blocks.executions.steps import record_step, step_records
from blocks.ports import Message, Query, RecordStore, Stored
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from deployments.worker import standstill
from deployments.worker.standstill import Standstill
from flows.analysis.batch import AnalysisBatch
from flows.analysis.progress import Analysis, AnalysisRules
from flows.shared.approval_gate import continue_alone, pass_gate
from flows.shared.claims import claim
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, an_execution
from tests.support.flow_runs import RememberedFlowRuns

RULES = AnalysisRules(
    frozenset({"risk_analysis"}), timedelta(seconds=60), ApprovalRule(enabled=False)
)


class Scene(msgspec.Struct):
    """A store, what runs see of the world, and the types of events that were published."""

    store: RecordStore
    context: Runtime
    published: list[str]

    async def claimed(self, execution_id: str) -> Stored[ExecutionRecord]:
        stored = await claim(self.store, A_TENANT, execution_id, "run-1", workflow=WORKFLOW)
        assert stored
        return stored

    async def now(self, execution_id: str) -> Stored[ExecutionRecord]:
        return await self.store.read(A_TENANT, ExecutionRecord, execution_id)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        published: list[str] = []

        async def keep_published(*messages: Message, required: bool = False) -> None:
            published.extend(message.routing_key for message in messages)

        monkeypatch.setattr(bus, "publish", keep_published)
        yield Scene(store, Runtime(settings, bus, store, RememberedFlowRuns()), published)


async def a_zombie(
    scene: Scene, rules: AnalysisRules = RULES
) -> tuple[AnalysisBatch, ExecutionRecord]:
    """A run that holds the first attempt of an execution whose second attempt the same run has in
    another process.
    """
    pending = await scene.store.create(A_TENANT, an_execution())
    held = await scene.claimed(pending.record.id)
    zombie = AnalysisBatch(scene.context, A_TENANT, [Analysis(held, rules)])
    await scene.claimed(held.record.id)
    return zombie, held.record


async def answer_all(scene: Scene, zombie: AnalysisBatch, execution: ExecutionRecord) -> None:
    for step in ANALYSIS_STEPS:
        zombie.receive(
            await record_step(scene.store, execution, step.name, result={"riskScore": 0.2})
        )
        await zombie.take_early_answers(step)


async def test_it_cannot_end_the_execution_nor_announce_its_end(scene: Scene) -> None:
    zombie, execution = await a_zombie(scene)
    before = await scene.now(execution.id)

    await answer_all(scene, zombie, execution)
    await asyncio.wait_for(zombie.conclude(), timeout=10)

    assert before == await scene.now(execution.id)
    assert {"workflow.step.completed"} == set(scene.published)


async def test_it_cannot_let_a_step_run_out_of_time(scene: Scene) -> None:
    zombie, execution = await a_zombie(
        scene, msgspec.structs.replace(RULES, step_timeout=timedelta(0))
    )
    step = STEP_BY_NAME["risk_analysis"]

    await zombie.wait_for_answers(step)

    assert [] == await step_records(scene.store, A_TENANT, [execution.id])
    assert [] == zombie.waiting_for(step)


async def test_it_may_repeat_a_request_under_the_same_id_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    zombie, execution = await a_zombie(scene)
    published: list[Message] = []

    async def keep_published(*messages: Message, required: bool = False) -> None:
        published.extend(messages)

    monkeypatch.setattr(scene.context.bus, "publish", keep_published)
    successor = AnalysisBatch(
        scene.context, A_TENANT, [Analysis(await scene.now(execution.id), RULES)]
    )
    for batch in (successor, zombie):
        await batch.request(STEP_BY_NAME["forecast"], batch.open_analyses)

    assert 2 == len(published)
    assert 1 == len({message.id for message in published})


async def test_who_holds_it_writes_over_what_another_writer_only_added(scene: Scene) -> None:
    pending = await scene.store.create(A_TENANT, an_execution())
    held = await scene.claimed(pending.record.id)
    batch = AnalysisBatch(scene.context, A_TENANT, [Analysis(held, RULES)])
    # the ETag that the run holds is stale now
    await transitions.change(scene.store, held, priority=7)

    await answer_all(scene, batch, held.record)
    await asyncio.wait_for(batch.conclude(), timeout=10)

    ended = (await scene.now(held.record.id)).record
    assert ("completed", 7) == (ended.status, ended.priority)


async def cancelled_at_its_gate(scene: Scene) -> Analysis:
    """An execution as its run believes it to be: awaiting a person. A person has cancelled it
    since.
    """
    pending = await scene.store.create(A_TENANT, an_execution())
    running = await scene.claimed(pending.record.id)
    waiting = await transitions.move(scene.store, running, "awaiting_approval")
    await cancel_execution(
        scene.store, scene.context.bus, scene.context.flow_runs, A_TENANT, running.record.id, "sold"
    )
    return Analysis(waiting, RULES)


async def test_no_one_is_asked_about_one_that_was_cancelled_just_before(scene: Scene) -> None:
    analysis = await cancelled_at_its_gate(scene)

    # and it is not suspended either: that needs a flow run
    await pass_gate(scene.context, analysis)

    [approval] = (await scene.store.query(A_TENANT, Query(ApprovalRecord))).items
    assert "cancelled" == approval.record.status


async def test_one_that_was_cancelled_just_before_does_not_hold_up_its_batch_nor_get_a_run(
    scene: Scene,
) -> None:
    analysis = await cancelled_at_its_gate(scene)

    await continue_alone(scene.context, [analysis])

    assert [] == cast("RememberedFlowRuns", scene.context.flow_runs).started


def test_a_process_that_stood_still_for_longer_than_allowed_knows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter((0.0, 2.0, 12.0, 14.0))
    monkeypatch.setattr(standstill, "monotonic", lambda: next(clock))
    since = Standstill(limit_seconds=6.0)

    assert [0.0, 10.0, 0.0] == [since.look() for _ in range(3)]
