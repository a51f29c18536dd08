"""A run whose clock stands still shows everywhere, and the reconciler ends what it holds; a worker
too large restarts.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from blocks.contracts.records import ExecutionRecord
from deployments.doctor.checks.work import work
from deployments.doctor.connections import Connections
from deployments.worker.in_process_worker import OUTGROWN_EXIT_CODE
from tests.support.analyses import an_opportunity, ended, recorded
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import services_on
from tests.support.system.ledger import REQUESTED, ledger_of
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    quick = {
        "RECONCILER_INTERVAL_SECONDS": "1",
        "ANALYSIS_STEP_TIMEOUT_SECONDS": "2",
        "ANALYSIS_OVERDUE_AFTER_SECONDS": "2",
        "ANALYSIS_END_OVERDUE_AFTER_SECONDS": "30",
        "WORKER_METRICS_PORT": str(free_port()),
        "API_METRICS_PORT": str(free_port()),
    }
    async with orchestra(tmp_path, prefect_server, **quick) as parts:
        parts.listener.start()
        yield parts


async def test_a_run_whose_clock_stands_still_shows_and_the_reconciler_ends_it_once(
    parts: Orchestra,
) -> None:
    event = an_opportunity()
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name, silent=REQUESTED),
    ):
        parts.api.start()
        parts.worker.start(FAULT_POINT="stopped-clock")
        await parts.bus.publish(event)
        await recorded(parts, event, "running")

        await eventually(
            lambda: answers(parts, "/ready", 503, "past their deadline"), within_seconds=60
        )
        await eventually(lambda: doctor_finds(parts, "past their deadline: 1"), within_seconds=15)
        await eventually(
            lambda: metric_of_the_api(parts, "workflow_orchestrator_executions_overdue 1.0"),
            within_seconds=15,
        )
        execution = await ended(parts, event, within_seconds=90)
        await eventually(lambda: answers(parts, "/ready", 200, '"ready"'), within_seconds=30)
        failed = await ledger.published("workflow.opportunity.analysis.failed")

    assert ("failed", "deadline-passed") == (execution.status, execution.error_code)
    assert 1 == len(failed)
    assert {} == ledger.second_ids()


async def test_a_worker_that_holds_too_much_memory_drains_says_why_and_another_goes_on(
    parts: Orchestra,
) -> None:
    event = an_opportunity()
    async with services_on(parts.bus, parts.name):
        parts.api.start()
        parts.worker.start(WORKER_MEMORY_MAX_MEGABYTES="1", WORKER_DRAIN_SECONDS="5")
        await parts.worker.died()
        parts.another_worker.start(WORKER_MEMORY_MAX_MEGABYTES="0")
        await parts.bus.publish(event)
        execution: ExecutionRecord = await ended(parts, event, within_seconds=60)

    assert OUTGROWN_EXIT_CODE == parts.worker.exit_code, parts.worker.log[-3000:]
    assert 1 == parts.worker.log.count("MB of memory")
    assert "Traceback" not in parts.worker.log
    assert "completed" == execution.status


async def test_a_worker_of_prefects_own_command_ends_too_when_it_holds_too_much_memory(
    parts: Orchestra,
) -> None:
    command = [
        str(Path(sys.executable).with_name("prefect")),
        "worker",
        "start",
        "--type",
        "in-process",
    ]
    worker = await asyncio.create_subprocess_exec(
        *command,
        "--pool",
        parts.settings.prefect.work_pool,
        env={**parts.environment, "WORKER_MEMORY_MAX_MEGABYTES": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            printed, _ = await worker.communicate()
    finally:
        if worker.returncode is None:
            worker.kill()

    assert b"MB of memory" in printed
    assert b"Traceback" not in printed
    assert 0 == worker.returncode


async def answers(parts: Orchestra, path: str, status: int, text: str) -> bool:
    url = f"http://127.0.0.1:{parts.settings.metrics.worker_port}{path}"
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.get(url)
    except httpx.HTTPError:
        return False
    return answer.status_code == status and text in answer.text


async def doctor_finds(parts: Orchestra, text: str) -> bool:
    findings = await work(Connections(parts.settings, parts.store))
    return any(one.state == "failed" and text in one.found and one.todo for one in findings)


async def metric_of_the_api(parts: Orchestra, line: str) -> bool:
    url = f"http://127.0.0.1:{parts.settings.metrics.api_port}/metrics"
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            return line in (await client.get(url)).text
    except httpx.HTTPError:
        return False
