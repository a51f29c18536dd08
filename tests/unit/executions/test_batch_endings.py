"""Executions of one flow run, each lacking other answers: every one ends as its own answers and
deadline say.

On the embedded store and bus; Prefect's part, which is to call the four tasks, is played by the
test.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, process_time
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.clock import utc_now
from blocks.contracts import rejections
from blocks.contracts.analysis import ANALYSIS_STEPS, WORKFLOW
from blocks.contracts.approvals import ApprovalRule
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.executions.steps import record_step
from blocks.ports import Page, Stored
from blocks.services import open_bus
from blocks.settings import load_settings
from flows.analysis import batch as analysis_batch
from flows.analysis.batch import AnalysisBatch
from flows.analysis.progress import Analysis, AnalysisRules
from flows.opportunity_analysis import run_step
from flows.shared.claims import claim
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT, an_execution
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.system.ledger import TERMINAL, ledger_of
from tests.support.waiting import eventually

STEPS = [step.name for step in ANALYSIS_STEPS]
CRITICAL = frozenset(step.name for step in ANALYSIS_STEPS if step.critical)
REREAD_SECONDS = 0.1

Fate = Literal["answered", "failed", "missing", "early", "without a signal", "twice"]
Fates = Mapping[str, Fate]
"""What becomes of each step of one execution."""

ANSWERED: Fates = dict.fromkeys(STEPS, "answered")
LACKING_ONE_EACH = [
    {**ANSWERED, "risk_analysis": "missing"},
    {**ANSWERED, "forecast": "missing"},
    {**ANSWERED, "recommendation": "missing"},
]

fates = st.fixed_dictionaries(
    {
        name: st.sampled_from(
            ["answered", "failed", "missing", "early", "without a signal", "twice"]
        )
        for name in STEPS
    }
)
SLOW: dict[str, Any] = {
    "suppress_health_check": [HealthCheck.too_slow],
    # Each try runs a batch to its end: to look for a smaller example would take minutes.
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
}
batches = st.lists(fates, min_size=1, max_size=12)


class CountingStore(SqliteRecordStore):
    """The embedded store, which counts what is read from it."""

    reads = 0

    async def read(self, *arguments: Any, **named: Any) -> Stored[Any]:
        self.reads += 1
        return await super().read(*arguments, **named)

    async def query(self, *arguments: Any, **named: Any) -> Page[Any]:
        self.reads += 1
        return await super().query(*arguments, **named)


class Scene(msgspec.Struct):
    store: CountingStore
    context: Runtime
    flow_runs: RememberedFlowRuns
    ahead: timedelta = timedelta(0)
    """How far time has gone on for the runs: a deadline passes when the test says so, on any
    machine.
    """

    def now(self) -> datetime:
        return utc_now() + self.ahead


TIMEOUT = timedelta(hours=1)


@asynccontextmanager
async def a_scene() -> AsyncIterator[Scene]:
    with TemporaryDirectory() as folder:
        configured = load_settings({"ORCHESTRATOR_DATA_DIR": folder})
        async with (
            CountingStore(Path(folder) / "records.db") as store,
            open_bus(configured, "test") as bus,
        ):
            flow_runs = RememberedFlowRuns()
            scene = Scene(store, Runtime(configured, bus, store, flow_runs), flow_runs)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(analysis_batch, "REREAD_SECONDS", REREAD_SECONDS)
                patch.setattr(analysis_batch, "utc_now", scene.now)
                yield scene


async def a_batch(
    scene: Scene, size: int, timeout_of: Callable[[int], timedelta]
) -> tuple[AnalysisBatch, list[ExecutionRecord]]:
    analyses = []
    for number in range(size):
        stored = await scene.store.create(A_TENANT, an_execution())
        claimed = await claim(scene.store, A_TENANT, stored.record.id, "run-1", workflow=WORKFLOW)
        assert claimed
        rules = AnalysisRules(CRITICAL, timeout_of(number), ApprovalRule(enabled=False))
        analyses.append(Analysis(claimed, rules))
    return AnalysisBatch(scene.context, A_TENANT, analyses), [one.stored.record for one in analyses]


async def carried_out(batch: AnalysisBatch) -> None:
    """The run has done all it has to do for its executions."""
    await batch.start()
    async with asyncio.TaskGroup() as group:
        for name in STEPS:
            group.create_task(run_step.fn(name, batch))
        group.create_task(batch.ask())
        group.create_task(batch.conclude())


async def settle(scene: Scene, execution: ExecutionRecord, step: str, fate: Fate) -> StepRecord:
    failed = {"error": "no model", "error_code": rejections.STEP_FAILED}
    outcome = failed if fate == "failed" else {"result": {"riskScore": 0.2}}
    return await record_step(scene.store, execution, step, **outcome)


async def now(scene: Scene, execution: ExecutionRecord) -> ExecutionRecord:
    stored: Stored[ExecutionRecord] = await scene.store.read(
        A_TENANT, ExecutionRecord, execution.id
    )
    return stored.record


def judge(ended: ExecutionRecord, fates: Fates) -> None:
    """It ended as its own answers say."""
    without = [name for name in STEPS if fates[name] in ("missing", "failed")]
    critical = {fates[name] for name in CRITICAL} & {"missing", "failed"}
    codes = {"missing": rejections.STEP_TIMEOUT, "failed": rejections.STEP_FAILED}
    if critical:
        assert "failed" == ended.status
        assert ended.error_code in {codes[fate] for fate in critical}
        assert ended.failed_step in CRITICAL & set(without)
    else:
        assert ("completed", without) == (ended.status, ended.missing_steps)


# --- the instance ---------------------------------------------------------------------------------


async def test_three_that_share_a_run_and_lack_an_answer_each_end_at_their_deadline() -> None:
    async with a_scene() as scene:
        batch, executions = await a_batch(scene, 3, lambda _: TIMEOUT)
        running = asyncio.create_task(carried_out(batch))
        for execution, lacking in zip(executions, LACKING_ONE_EACH, strict=True):
            for name in STEPS:
                if lacking[name] == "answered":
                    batch.receive(await settle(scene, execution, name, "answered"))
        await eventually(lambda: three_are_missing(batch), within_seconds=10)
        used, began, reads = process_time(), monotonic(), scene.store.reads
        await asyncio.wait([running], timeout=1)
        assert not running.done()
        # Waiting is cheap: a run that spins takes all of its core, and reads all the time.
        assert process_time() - used < 0.5 * (monotonic() - began)
        assert scene.store.reads - reads <= 5 * ((monotonic() - began) / REREAD_SECONDS + 2)

        scene.ahead = TIMEOUT
        await asyncio.wait_for(running, timeout=10)
        ended = [await now(scene, execution) for execution in executions]

    for execution, lacking in zip(ended, LACKING_ONE_EACH, strict=True):
        judge(execution, lacking)
    assert ["failed", "failed", "completed"] == [execution.status for execution in ended]
    assert 0 == batch.answers_in_hand


async def three_are_missing(batch: AnalysisBatch) -> bool:
    return 3 == sum(len(batch.waiting_for(step)) for step in ANALYSIS_STEPS)


# --- the kind -------------------------------------------------------------------------------------


@example([*LACKING_ONE_EACH, ANSWERED])
@given(batches)
@settings(max_examples=5, derandomize=True, **SLOW)
def test_whatever_is_missing_every_execution_of_a_run_ends_as_its_own_answers_say(
    fates: list[Fates],
) -> None:
    asyncio.run(every_execution_ends(fates))


@pytest.mark.slow
@given(st.lists(fates, min_size=1, max_size=60))
@settings(max_examples=150, **SLOW)
def test_so_it_is_in_many_larger_runs(fates: list[Fates]) -> None:
    asyncio.run(every_execution_ends(fates))


async def every_execution_ends(fates: Sequence[Fates]) -> None:
    async with a_scene() as scene, ledger_of(scene.context.bus, "endings") as ledger:
        # The deadlines differ, as those of executions under several definitions do.
        batch, executions = await a_batch(
            scene, len(fates), lambda number: (1 + number % 3) * TIMEOUT
        )
        known = [
            await settle(scene, executions[number], name, fate)
            for number, steps in enumerate(fates)
            for name, fate in steps.items()
            if fate == "early"
        ]
        running = asyncio.create_task(carried_out(batch))
        known += await the_rest_arrives(scene, batch, executions, fates)
        most_in_hand = 0
        while not running.done():  # what is known comes again and again, until the last has ended
            for record in known:
                batch.receive(record)
            most_in_hand = max(most_in_hand, batch.answers_in_hand)
            scene.ahead += TIMEOUT / 5
            await asyncio.wait([running], timeout=0.01)
        await running

        ended = [await now(scene, execution) for execution in executions]
        for execution, steps in zip(ended, fates, strict=True):
            judge(execution, steps)
            assert execution.announced_at
        assert [] == batch.open_analyses
        assert 0 == batch.answers_in_hand
        assert most_in_hand <= len(fates) * len(STEPS)
        assert len(fates) == len(await ledger.published(*TERMINAL, count=len(fates)))
        assert {} == ledger.second_ids()


async def the_rest_arrives(
    scene: Scene,
    batch: AnalysisBatch,
    executions: Sequence[ExecutionRecord],
    fates: Sequence[Fates],
) -> list[StepRecord]:
    """What is neither early nor missing, step by step, the last execution first in every other
    step.
    """
    arrived = []
    for turn, name in enumerate(STEPS):
        numbers = range(len(fates))
        for number in numbers if turn % 2 else reversed(numbers):
            fate = fates[number][name]
            if fate in ("early", "missing"):
                continue
            record = await settle(scene, executions[number], name, fate)
            for _ in range(2 if fate == "twice" else 1):
                if fate != "without a signal":
                    batch.receive(record)
            arrived.append(record)
    return arrived
