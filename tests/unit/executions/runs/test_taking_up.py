"""What a run does when it takes executions up: those at their gate do not wait for the others, one
without its rules fails alone, a retried one has its full time, and a worker that ends opens no run
to more.
"""

from datetime import timedelta
from typing import Any

import prefect.runtime.flow_run
import pytest

from blocks.clock import utc_now
from blocks.contracts.analysis import ANALYSIS_STEPS, WORKFLOW
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.records import ExecutionRecord, WorkflowDefinition
from blocks.definitions.versions import platform_definition
from blocks.ports import NotFound, Stored
from blocks.settings import Settings
from flows import opportunity_analysis as flow
from flows.analysis import claiming
from flows.analysis.claiming import claim_analyses
from flows.analysis.progress import Analysis, AnalysisRules
from flows.analysis.step_wait import StepWait
from flows.shared import runtime
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, an_execution
from tests.support.stores import put_unreadable
from tests.unit.executions.test_batch_endings import CRITICAL, TIMEOUT, a_scene

RUN = "run-1"


@pytest.fixture(autouse=True)
def of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect.runtime.flow_run, "id", RUN, raising=False)
    monkeypatch.setattr(prefect.runtime.flow_run, "run_count", 1, raising=False)


class Begun(Exception):
    """The steps of the others are about to begin."""


async def test_those_at_their_gate_leave_before_the_others_of_a_restarted_run_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def analyse(*_: Any, **__: Any) -> list[Analysis]:
        raise Begun

    async with a_scene() as scene:

        async def get() -> Runtime:
            return scene.context

        monkeypatch.setattr(runtime, "get", get)
        monkeypatch.setattr(flow, "analyse", analyse)
        held = {"flow_run_id": RUN, "started_at": utc_now(), "definition_version": 0}
        asking = an_execution(status="awaiting_approval", **held)
        running = an_execution(status="running", **held)
        await scene.store.create_all(A_TENANT, [asking, running])

        with pytest.raises(Begun):
            await flow.opportunity_analysis.fn(A_TENANT, [running.id, asking.id])

        assert [(A_TENANT, [asking.id])] == scene.flow_runs.started
        left = await scene.store.read(A_TENANT, ExecutionRecord, asking.id)
        assert left.record.flow_run_id is None


@pytest.mark.parametrize("damage", ["gone", "unreadable"])
async def test_one_whose_version_cannot_be_had_fails_and_the_others_of_its_run_go_on(
    damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "UNTIL_GONE_SECONDS", ())
    async with a_scene() as scene:
        lost, good = an_execution(definition_version=3), an_execution()
        asking = an_execution(
            definition_version=3, status="awaiting_approval", approval_ids=["ap-1"]
        )
        await scene.store.create_all(A_TENANT, [lost, good, asking])
        current = platform_definition(A_TENANT, WORKFLOW, scene.context.settings, 4)
        await scene.store.create(A_TENANT, current)
        if damage == "unreadable":
            kept = WorkflowDefinition.earlier_id(WORKFLOW, 3)
            await put_unreadable(scene.store, WorkflowDefinition, A_TENANT, id=kept)

        analyses = await claim_analyses(scene.context, A_TENANT, [lost.id, good.id, asking.id])

        assert [good.id] == [analysis.id for analysis in analyses]
        for one in (lost, asking):
            ended = (await scene.store.read(A_TENANT, ExecutionRecord, one.id)).record
            assert ("failed", "run-failed") == (ended.status, ended.error_code)
            assert "version 3 of its definition cannot be had" in (ended.error or "")
            assert ended.announced_at


async def test_a_version_that_a_replica_does_not_have_yet_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int | None] = []

    async def lagging(
        store: object, tenant_id: str, workflow: str, settings: Settings, version: int | None = None
    ) -> WorkflowDefinition:
        looks.append(version)
        if version and looks.count(version) < 3:
            raise NotFound("version 3")
        return platform_definition(tenant_id, workflow, settings, version or 0)

    monkeypatch.setattr(claiming, "UNTIL_GONE_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(claiming, "read_definition", lagging)
    async with a_scene() as scene:
        await scene.store.create(A_TENANT, started := an_execution(definition_version=3))
        [analysis] = await claim_analyses(scene.context, A_TENANT, [started.id])

    assert started.id == analysis.id
    assert [None, 3, 3, 3] == looks


def test_a_retried_execution_that_returns_to_its_run_has_its_full_time() -> None:
    step, rules = ANALYSIS_STEPS[0], AnalysisRules(CRITICAL, TIMEOUT, ApprovalRule(enabled=False))
    began = utc_now()

    def one(after: timedelta, id: str) -> Analysis:
        record = an_execution(id=id, status="running", started_at=began + after)
        return Analysis(Stored(record, "etag"), rules)

    first, lasting = one(timedelta(0), "e-1"), one(timedelta(seconds=-10), "e-2")
    again = one(timedelta(seconds=20), "e-1")
    wait = StepWait(step)
    wait.add([first, lasting])
    wait.settle("e-1")
    wait.add([again])

    assert [lasting] == wait.late(first.deadline_of(step))
    assert [lasting, again] == wait.late(again.deadline_of(step))


async def test_a_process_that_ends_opens_no_run_to_more() -> None:
    closed: list[str] = []

    class Run:
        def __init__(self, name: str) -> None:
            self.name = name

        def offer(self, execution_ids: list[str]) -> None: ...

        def close(self) -> None:
            closed.append(self.name)

    async with a_scene() as scene:
        with scene.context.open_to_more("run-early", Run("early")):
            assert [] == closed
            scene.context.take_no_more()
            with scene.context.open_to_more("run-late", Run("late")):
                assert ["early", "late"] == closed
