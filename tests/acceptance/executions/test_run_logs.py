"""What our code logs inside a flow run is in the log of that run in Prefect, on a real server."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, Log
from prefect.settings import PREFECT_LOGGING_TO_API_BATCH_INTERVAL

from deployments.worker.in_process_worker import InProcessWorker
from flows.shared import run_log
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.stage import Stage, serving, staged
from tests.support.waiting import eventually

SECRET = "amqp://user:hunter2@broker:5672"


@pytest.fixture
async def stage(prefect_server: PrefectServer, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(prefect_server, tmp_path) as stage:
        yield stage


@pytest.fixture
async def worker(stage: Stage, logging_as_before: None) -> AsyncIterator[InProcessWorker]:
    run_log.send_to_prefect(stage.settings)
    async with serving(stage) as worker:
        yield worker


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """This process logs as it did, for the tests that come."""
    factory, loggers = logging.getLogRecordFactory(), [*map(logging.getLogger, run_log.LOGGERS)]
    before = [(logger.level, [*logger.handlers]) for logger in loggers]
    yield
    logging.setLogRecordFactory(factory)
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers


async def test_lines_of_runs_that_share_a_process_reach_their_own_runs_without_secrets(
    stage: Stage, worker: InProcessWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[float] = []
    send = PrefectClient.create_logs

    async def counted(client: PrefectClient, *arguments: Any) -> None:
        requests.append(monotonic())
        await send(client, *arguments)

    monkeypatch.setattr(PrefectClient, "create_logs", counted)
    runs = {
        text: await stage.start("write_lines", text=f"{text} {SECRET}", lines=50, guests=2)
        for text in ("red", "blue")
    }

    for text, run in runs.items():
        await stage.reached(run, "Completed")
        lines = await lines_of(stage, run, 51)
        assert [f"line {n}: {text} amqp://user:***@broker:5672" for n in range(50)] == [
            line.message for line in lines[:50]
        ]
        assert {(logging.INFO, None)} == {(line.level, line.task_run_id) for line in lines[:50]}
        assert f"in a task: {text} amqp://user:***@broker:5672" == lines[50].message
        assert logging.WARNING == lines[50].level
        assert lines[50].task_run_id

    seconds = requests[-1] - requests[0]
    assert len(requests) <= 1 + seconds / PREFECT_LOGGING_TO_API_BATCH_INTERVAL.value() + 1
    assert 1.0 <= PREFECT_LOGGING_TO_API_BATCH_INTERVAL.value()


async def test_a_suspension_is_no_error_in_the_runs_log(
    stage: Stage, worker: InProcessWorker
) -> None:
    run = await stage.start("ask_a_person")
    await stage.reached(run, "Suspended")

    async def the_engines_last() -> Log | None:
        lines = await every_line(stage, run)
        return next((line for line in lines if "Suspended(" in line.message), None)

    line = await eventually(the_engines_last, within_seconds=30)
    assert line
    assert logging.INFO == line.level


PLAIN_PROCESS = """
import asyncio, logging
from prefect import flow
from flows.shared import run_log
from blocks.settings import load_settings
import prefect.runtime.flow_run

@flow
async def plain() -> str:
    run_log.send_to_prefect(load_settings())
    logging.getLogger("flows.sample").info("from a plain process: %s", "api_key=abcdefgh1234")
    return prefect.runtime.flow_run.id

print(asyncio.run(plain()))
"""


async def test_a_process_that_prefect_starts_sends_its_lines_before_it_ends(
    stage: Stage, prefect_server: PrefectServer
) -> None:
    """As its process worker does: nothing of ours has set logging up before the flow is loaded."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", PLAIN_PROCESS],
        env=prefect_server.client_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    run = await stage.client.read_flow_run(UUID(done.stdout.split()[-1]))
    lines = [line.message for line in await every_line(stage, run)]
    assert "from a plain process: api_key=***" in lines
    assert 1 == done.stderr.count("from a plain process"), done.stderr


async def lines_of(stage: Stage, run: FlowRun, count: int) -> list[Log]:
    """Our lines of this run, oldest first, once there are so many."""

    async def are_there() -> list[Log] | None:
        ours = [line for line in await every_line(stage, run) if line.name.startswith("flows")]
        return ours if len(ours) >= count else None

    lines = await eventually(are_there, within_seconds=30)
    assert lines
    assert count == len(lines)
    return lines


async def every_line(stage: Stage, run: FlowRun) -> list[Log]:
    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    return await stage.client.read_logs(of_run, limit=200)
