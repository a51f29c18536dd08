"""The worker type `in-process` against a real Prefect server: runs that share a process keep Prefect's promises."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_runs import aresume_flow_run, asuspend_flow_run
from prefect.settings import PREFECT_API_URL, PREFECT_WORKER_QUERY_SECONDS, temporary_settings
from prefect.states import Cancelling, Crashed, Scheduled

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.ports import RecordStore
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from blocks.signals import FLOW_RUNS_SCHEDULED
from deployments.in_process_worker import InProcessWorker
from tests.support import sample_flows
from tests.support.prefect_server import PrefectServer
from tests.support.waiting import eventually

Meanwhile = Callable[[], Awaitable[None]] | None

pytest_plugins = ["tests.support.prefect_server"]


class Stage:
    """A work pool of its own on the shared server; deploys sample flows into it and looks at their runs."""

    def __init__(self, client: PrefectClient, settings: Settings) -> None:
        self.client = client
        self.settings = settings
        self.pool = f"pool-{uuid4().hex[:8]}"

    async def start(self, flow_name: str, *, state: State[Any] | None = None, **parameters: Any) -> FlowRun:
        flow_id = await self.client.create_flow(getattr(sample_flows, flow_name, sample_flows.four_steps))
        deployment_id = await self.client.create_deployment(
            flow_id,
            f"{flow_name}-{self.pool}",
            work_pool_name=self.pool,
            entrypoint=f"tests.support.sample_flows.{flow_name}",
            pull_steps=[],
        )
        return await self.client.create_flow_run_from_deployment(deployment_id, parameters=parameters, state=state)

    async def reached(
        self, run: FlowRun, *names: str, within_seconds: float = 15.0, meanwhile: Meanwhile = None
    ) -> State[Any]:
        """The run's state once it has one of these names."""

        async def look() -> State[Any] | None:
            if meanwhile:
                await meanwhile()
            state = (await self.client.read_flow_run(run.id)).state
            return state if state and state.name in names else None

        state = await eventually(look, within_seconds=within_seconds)
        assert state
        return state

    async def began(self, *runs: FlowRun, times: int = 1) -> None:
        """The body of each run's flow has begun, so often."""

        async def look() -> bool:
            begun = [id for id, _, _ in sample_flows.bodies]
            return all(begun.count(str(run.id)) >= times for run in runs)

        await eventually(look, within_seconds=15)


@pytest.fixture
async def stage(prefect_server: PrefectServer, tmp_path: Path) -> AsyncIterator[Stage]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path), "WORKER_HEARTBEAT_SECONDS": "0.3"})
    sample_flows.bodies.clear()
    sample_flows.verdicts.clear()
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        async with get_client() as client:
            stage = Stage(client, settings)
            await client.create_work_pool(WorkPoolCreate(name=stage.pool, type="in-process"))
            yield stage


@asynccontextmanager
async def serving(
    stage: Stage, *, drain_seconds: float = 0.1, query_seconds: float = 0.3, **options: Any
) -> AsyncIterator[InProcessWorker]:
    """A worker in the test's own process and event loop."""
    timing = msgspec.structs.replace(stage.settings.worker, drain_seconds=drain_seconds)
    settings = msgspec.structs.replace(stage.settings, worker=timing)
    worker = InProcessWorker(work_pool_name=stage.pool, settings=settings, **options)
    with temporary_settings({PREFECT_WORKER_QUERY_SECONDS: query_seconds}):
        service = asyncio.create_task(worker.start(printer=lambda _: None))
    try:
        yield worker
    finally:
        service.cancel()
        with suppress(asyncio.CancelledError):
            await service


@pytest.fixture
async def worker(stage: Stage) -> AsyncIterator[InProcessWorker]:
    async with serving(stage) as worker:
        yield worker


@pytest.fixture
async def store(stage: Stage) -> AsyncIterator[RecordStore]:
    async with open_store(stage.settings) as store:
        await store.provision()
        yield store


async def test_a_run_of_a_deployment_completes(stage: Stage, worker: InProcessWorker) -> None:
    run = await stage.start("four_steps")

    assert "Completed" == (await stage.reached(run, "Completed")).name


async def test_ten_runs_at_once_share_the_process(stage: Stage, worker: InProcessWorker) -> None:
    runs = [await stage.start("meet", guests=10) for _ in range(10)]

    for run in runs:
        await stage.reached(run, "Completed")
    assert {os.getpid()} == {pid for _, pid, _ in sample_flows.bodies}


async def test_a_broadcast_starts_a_run_before_the_next_poll(stage: Stage) -> None:
    async with open_bus(stage.settings, "test") as bus, serving(stage, query_seconds=600):
        for _ in range(2):  # the first may be found by the poll a worker starts with
            run = await stage.start("four_steps")
            await stage.reached(run, "Completed", meanwhile=lambda: bus.broadcast(FLOW_RUNS_SCHEDULED, b""))


async def test_an_exception_in_one_run_leaves_the_others(stage: Stage, worker: InProcessWorker) -> None:
    before = await stage.start("meet", guests=2)
    broken = await stage.start("break_down")
    await stage.reached(broken, "Failed")
    after = await stage.start("meet", guests=2)

    await stage.reached(before, "Completed")
    await stage.reached(after, "Completed")


async def test_a_run_whose_flow_cannot_be_loaded_fails(stage: Stage, worker: InProcessWorker) -> None:
    run = await stage.start("no_such_flow")

    assert "no_such_flow" in str((await stage.reached(run, "Failed")).message)


async def test_a_cancelled_run_ends_cancelled(stage: Stage, worker: InProcessWorker) -> None:
    run = await stage.start("wait_long")
    await stage.began(run)

    await stage.client.set_flow_run_state(run.id, Cancelling())

    assert "Cancelled" == (await stage.reached(run, "Cancelled", "Crashed", "Completed")).name


async def test_a_claimed_run_that_waits_for_its_time_can_be_cancelled(stage: Stage, worker: InProcessWorker) -> None:
    run = await stage.start("wait_long", state=Scheduled(scheduled_time=utc_now() + timedelta(seconds=8)))
    await stage.reached(run, "Pending")

    await stage.client.set_flow_run_state(run.id, Cancelling())

    assert "Cancelled" == (await stage.reached(run, "Cancelled", "Crashed", "Completed")).name


async def test_a_suspended_flow_goes_on_with_its_input(stage: Stage, worker: InProcessWorker) -> None:
    run = await stage.start("ask_a_person")
    await stage.reached(run, "Suspended")

    await aresume_flow_run(run.id, run_input={"approved": True})

    await stage.reached(run, "Completed")
    assert [True] == sample_flows.verdicts
    assert [str(run.id)] * 2 == [id for id, _, _ in sample_flows.bodies]


async def test_a_run_suspended_from_outside_stops_and_starts_again(stage: Stage, worker: InProcessWorker) -> None:
    run = await stage.start("step_by_step")
    await stage.began(run)

    await asuspend_flow_run(flow_run_id=run.id)
    await eventually(when(lambda: not worker.active_flow_run_ids()))
    await aresume_flow_run(run.id)

    await stage.began(run, times=2)


async def test_a_run_that_others_ended_is_let_go(stage: Stage, worker: InProcessWorker) -> None:
    run = await stage.start("wait_long")
    await stage.began(run)

    await stage.client.set_flow_run_state(run.id, Crashed(message="by hand"), force=True)

    await eventually(when(lambda: not worker.active_flow_run_ids()))
    assert "by hand" == (await stage.reached(run, "Crashed")).message


async def test_a_worker_takes_no_more_runs_than_its_limit(stage: Stage) -> None:
    async with serving(stage, limit=1):
        runs = [await stage.start("wait_long", seconds=0.5) for _ in range(3)]
        for run in runs:
            await stage.reached(run, "Completed")

    begins = sorted(at for _, _, at in sample_flows.bodies)
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(begins))


async def test_the_workers_record_lists_its_runs_and_goes_away_with_it(stage: Stage, store: RecordStore) -> None:
    async with serving(stage):
        run = await stage.start("wait_long")
        await stage.began(run)

        assert [[str(run.id)]] == [record.flow_run_ids for record in await _worker_records(store)]

    assert [] == await _worker_records(store)


async def test_a_flow_that_blocks_the_loop_is_named_in_the_log(
    stage: Stage, worker: InProcessWorker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="deployments.in_process_worker"):
        run = await stage.start("block_the_loop", seconds=1.6)
        await stage.reached(run, "Completed")

    [line] = [record.getMessage() for record in caplog.records if "stood still" in record.getMessage()]
    assert str(run.id) in line
    assert "block_the_loop" in line


@pytest.mark.parametrize("kind", ["ours", "prefect's"])
async def test_sigterm_lets_active_runs_finish(stage: Stage, prefect_server: PrefectServer, kind: str) -> None:
    with _worker_process(stage, prefect_server, kind, drain_seconds=20) as process:
        run = await stage.start("wait_long", seconds=2.0)
        await stage.reached(run, "Running", within_seconds=30)
        process.send_signal(signal.SIGTERM)

        await stage.reached(run, "Completed", "Crashed")
        late = await stage.start("four_steps")
        await asyncio.to_thread(process.wait, 20)

    assert "Completed" == (await stage.client.read_flow_run(run.id)).state_name
    assert "Scheduled" == (await stage.client.read_flow_run(late.id)).state_name


async def test_runs_that_outlast_the_drain_end_crashed(
    stage: Stage, prefect_server: PrefectServer, store: RecordStore
) -> None:
    with _worker_process(stage, prefect_server, "ours", drain_seconds=0.2) as process:
        run = await stage.start("wait_long")
        await stage.reached(run, "Running", within_seconds=30)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 20)

    assert "worker stopped" == (await stage.reached(run, "Crashed")).message
    assert [] == await _worker_records(store)


@contextmanager
def _worker_process(
    stage: Stage, server: PrefectServer, kind: str, *, drain_seconds: float
) -> Iterator[subprocess.Popen[bytes]]:
    arguments = {
        "ours": ["deployments.in_process_worker", "--pool", stage.pool],
        "prefect's": ["prefect", "worker", "start", "--pool", stage.pool, "--type", "in-process"],
    }
    environment = server.client_environment() | {
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",
        "ORCHESTRATOR_DATA_DIR": stage.settings.data_dir,
        "WORKER_DRAIN_SECONDS": str(drain_seconds),
        "WORKER_HEARTBEAT_SECONDS": "0.3",
    }
    process = subprocess.Popen([sys.executable, "-m", *arguments[kind]], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _worker_records(store: RecordStore) -> list[ProcessRecord]:
    page = await store.query(SYSTEM_TENANT, ProcessRecord, {"role": "worker"})
    return [stored.record for stored in page.items]


def when(fact: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return fact()

    return look
