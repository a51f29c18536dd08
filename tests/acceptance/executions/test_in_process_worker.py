"""The worker type `in-process` against a real Prefect server: runs that share a process keep
Prefect's promises.
"""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.flow_runs import aresume_flow_run, asuspend_flow_run
from prefect.settings import PREFECT_WORKER_QUERY_SECONDS, temporary_settings
from prefect.states import Cancelling, Crashed, Scheduled
from prefect.workers.base import BaseWorker

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.ports import Query, RecordStore
from blocks.services import open_bus, open_store
from blocks.signals import FLOW_RUNS_SCHEDULED
from deployments.worker import in_process_worker
from deployments.worker.in_process_worker import POLL_SECONDS, InProcessWorker
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system import sample_flows
from tests.support.system.stage import Stage, serving, staged, worker_process
from tests.support.waiting import eventually


@pytest.fixture
async def stage(prefect_server: PrefectServer, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(prefect_server, tmp_path) as stage:
        yield stage


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


async def test_a_run_that_keeps_no_results_does_not_ask_where_they_are_stored(
    stage: Stage, worker: InProcessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect would ask its server in a blocking request, and every other run would stand still
    meanwhile.
    """

    def asked() -> None:
        raise AssertionError("the event loop stands still for this")

    monkeypatch.setattr("prefect.results._read_server_default_result_storage_block_id", asked)
    run = await stage.start("keep_nothing")

    assert "Completed" == (await stage.reached(run, "Completed", "Crashed", "Failed")).name


async def test_ten_runs_at_once_share_the_process(stage: Stage, worker: InProcessWorker) -> None:
    runs = [await stage.start("meet", guests=10) for _ in range(10)]

    for run in runs:
        await stage.reached(run, "Completed")
    assert {os.getpid()} == {pid for _, pid, _ in sample_flows.bodies}


async def test_a_broadcast_starts_a_run_before_the_next_poll(stage: Stage) -> None:
    async with open_bus(stage.settings, "test") as bus, serving(stage, query_seconds=600):
        for _ in range(2):  # the first may be found by the poll a worker starts with
            run = await stage.start("four_steps")
            await stage.reached(
                run, "Completed", meanwhile=lambda: bus.broadcast(FLOW_RUNS_SCHEDULED, b"")
            )


async def test_of_two_workers_each_claims_the_runs_whose_signal_it_got(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_process_worker, "_LEFT_TO_OTHERS_SECONDS", 60.0)
    proposed: list[str] = []
    hosts: dict[str, InProcessWorker] = {}

    async def claims(worker: InProcessWorker, flow_run: FlowRun) -> bool:
        proposed.append(str(flow_run.id))
        hosts[str(flow_run.id)] = worker
        return await InProcessWorker._propose_pending_state(worker, flow_run)

    async with (
        open_bus(stage.settings, "test") as bus,
        serving(stage, query_seconds=0.3) as one,
        serving(stage, query_seconds=0.3) as other,
    ):
        for worker in (one, other):
            setattr(worker, "_propose_pending_state", partial(claims, worker))  # noqa: B010
        warm_up = await stage.start("four_steps")  # both poll when it has completed
        await stage.reached(warm_up, "Completed")
        proposed.clear()

        runs = []
        for number in range(10):
            runs.append(await stage.start("four_steps", key=str(number)))
            await bus.broadcast(FLOW_RUNS_SCHEDULED, str(runs[-1].id).encode())
        for run in runs:
            await stage.reached(run, "Completed")

    assert sorted(str(run.id) for run in runs) == sorted(proposed)
    assert {one, other} == {hosts[str(run.id)] for run in runs}


async def test_a_run_without_a_signal_is_found_by_a_poll(stage: Stage) -> None:
    async with serving(stage, query_seconds=0.3), serving(stage, query_seconds=0.3):
        for key in (None, "a dispatcher's whose signal was lost"):
            run = await stage.start("four_steps", key=key)
            await stage.reached(run, "Completed")


async def test_prefects_command_line_polls_as_often_as_ours(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals: list[float] = []

    async def start(*_: object, **__: object) -> None:
        intervals.append(PREFECT_WORKER_QUERY_SECONDS.value())

    monkeypatch.setattr(BaseWorker, "start", start)
    worker = InProcessWorker(work_pool_name=stage.pool, settings=stage.settings)
    await worker.start()
    with temporary_settings({PREFECT_WORKER_QUERY_SECONDS: 7}):
        await worker.start()

    assert [POLL_SECONDS, 7] == intervals


async def test_broadcasts_in_quick_succession_share_polls(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    polled_at: list[float] = []

    async def poll() -> None:
        polled_at.append(monotonic())

    async def polled_four_times() -> bool:
        await bus.broadcast(FLOW_RUNS_SCHEDULED, b"")
        return len(polled_at) >= 4

    async with open_bus(stage.settings, "test") as bus, serving(stage, query_seconds=600) as worker:
        monkeypatch.setattr(worker, "get_and_submit_flow_runs", poll)
        await eventually(polled_four_times, every_seconds=0.01)

    on_signals = polled_at[1:]  # the first may be the poll that a worker starts with
    gap = in_process_worker._POLL_GAP_SECONDS - 0.01
    assert all(gap < later - earlier for earlier, later in pairwise(on_signals))


async def test_an_exception_in_one_run_leaves_the_others(
    stage: Stage, worker: InProcessWorker
) -> None:
    before = await stage.start("meet", guests=2)
    broken = await stage.start("break_down")
    await stage.reached(broken, "Failed")
    after = await stage.start("meet", guests=2)

    await stage.reached(before, "Completed")
    await stage.reached(after, "Completed")


async def test_a_run_whose_flow_cannot_be_loaded_fails(
    stage: Stage, worker: InProcessWorker
) -> None:
    run = await stage.start("no_such_flow")

    assert "no_such_flow" in str((await stage.reached(run, "Failed")).message)


async def test_a_cancelled_run_ends_cancelled(stage: Stage, worker: InProcessWorker) -> None:
    run = await stage.start("wait_long")
    await stage.began(run)

    await stage.client.set_flow_run_state(run.id, Cancelling())

    assert "Cancelled" == (await stage.reached(run, "Cancelled", "Crashed", "Completed")).name


async def test_a_claimed_run_that_waits_for_its_time_can_be_cancelled(
    stage: Stage, worker: InProcessWorker
) -> None:
    run = await stage.start(
        "wait_long", state=Scheduled(scheduled_time=utc_now() + timedelta(seconds=8))
    )
    await stage.reached(run, "Pending")

    await stage.client.set_flow_run_state(run.id, Cancelling())

    assert "Cancelled" == (await stage.reached(run, "Cancelled", "Crashed", "Completed")).name


async def test_a_suspended_flow_goes_on_with_its_input(
    stage: Stage, worker: InProcessWorker
) -> None:
    run = await stage.start("ask_a_person")
    await stage.reached(run, "Suspended")

    await aresume_flow_run(run.id, run_input={"approved": True})

    await stage.reached(run, "Completed")
    assert [True] == sample_flows.verdicts
    assert [str(run.id)] * 2 == [id for id, _, _ in sample_flows.bodies]
    assert [1, 1] == sample_flows.starts, "a resume is no start, for Prefect's server as well"
    assert 1 == (await stage.client.read_flow_run(run.id)).run_count


async def test_a_run_that_was_tried_again_goes_on_after_a_suspension(
    stage: Stage, worker: InProcessWorker
) -> None:
    run = await stage.start("fail_once_and_ask")
    await stage.reached(run, "Suspended")

    await aresume_flow_run(run.id, run_input={"approved": True})

    await stage.reached(run, "Completed")


async def test_a_run_suspended_from_outside_stops_and_starts_again(
    stage: Stage, worker: InProcessWorker
) -> None:
    run = await stage.start("step_by_step")
    await stage.began(run)

    await asuspend_flow_run(flow_run_id=run.id)
    await eventually(when(lambda: not worker.active_runs.ids()))
    await aresume_flow_run(run.id)

    await stage.began(run, times=2)


async def test_a_run_that_others_ended_is_let_go(stage: Stage, worker: InProcessWorker) -> None:
    run = await stage.start("wait_long")
    await stage.began(run)

    await stage.client.set_flow_run_state(run.id, Crashed(message="by hand"), force=True)

    await eventually(when(lambda: not worker.active_runs.ids()))
    assert "by hand" == (await stage.reached(run, "Crashed")).message


async def test_a_worker_takes_no_more_runs_than_its_limit(stage: Stage) -> None:
    async with serving(stage, limit=1):
        runs = [await stage.start("wait_long", seconds=0.5) for _ in range(3)]
        for run in runs:
            await stage.reached(run, "Completed")

    begins = sorted(at for _, _, at in sample_flows.bodies)
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(begins))


async def test_a_worker_at_its_limit_takes_the_runs_whose_signals_it_got_when_it_has_room(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_process_worker, "_LEFT_TO_OTHERS_SECONDS", 60.0)
    async with (
        open_bus(stage.settings, "test") as bus,
        serving(stage, limit=1, query_seconds=600) as worker,
    ):
        await eventually(when(lambda: worker._bus is not None))
        runs = [await stage.start("wait_long", key=str(n), seconds=0.5) for n in range(2)]
        for run in runs:
            await bus.broadcast(FLOW_RUNS_SCHEDULED, str(run.id).encode())

        for run in runs:
            await stage.reached(run, "Completed", within_seconds=45)


async def test_the_workers_record_lists_its_runs_and_goes_away_with_it(
    stage: Stage, store: RecordStore
) -> None:
    async with serving(stage):
        run = await stage.start("wait_long")
        await stage.began(run)

        assert [[str(run.id)]] == [record.flow_run_ids for record in await _worker_records(store)]

    assert [] == await _worker_records(store)


async def test_a_flow_that_blocks_the_loop_is_named_in_the_log(
    stage: Stage, worker: InProcessWorker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="deployments.worker.in_process_worker"):
        run = await stage.start("block_the_loop", seconds=1.6)
        await stage.reached(run, "Completed")

    [line] = [
        record.getMessage() for record in caplog.records if "stood still" in record.getMessage()
    ]
    assert str(run.id) in line
    assert "block_the_loop" in line


@pytest.mark.parametrize("kind", ["ours", "prefect's"])
@pytest.mark.long
async def test_sigterm_lets_active_runs_finish(
    stage: Stage, prefect_server: PrefectServer, kind: str
) -> None:
    with worker_process(stage, prefect_server, kind, drain_seconds=20) as process:
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
    with worker_process(stage, prefect_server, "ours", drain_seconds=0.2) as process:
        run = await stage.start("wait_long")
        await stage.reached(run, "Running", within_seconds=30)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 20)

    assert "worker stopped" == (await stage.reached(run, "Crashed")).message
    assert [] == await _worker_records(store)


async def _worker_records(store: RecordStore) -> list[ProcessRecord]:
    page = await store.query(SYSTEM_TENANT, Query(ProcessRecord, {"role": "worker"}))
    return [stored.record for stored in page.items]


def when(fact: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return fact()

    return look
