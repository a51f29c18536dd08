"""Log rotation on the embedded stack: by its schedule, by Prefect's own command, and what operators
see of it.
"""

import asyncio
import gzip
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    DeploymentFilter,
    DeploymentFilterId,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import LOG_ROTATION
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Query
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.ledger import Ledger
from tests.support.system.orchestra import Orchestra, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

NAME = "log-rotation/log-rotation"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "web.log").write_text("one\ntwo\n")
    return folder


@pytest.fixture
async def parts(
    tmp_path: Path, logs: Path, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path,
        prefect_server,
        LOG_ROTATION_PATHS=f"{logs}/*.log",
        LOG_ROTATION_QUIET_HOURS="0",
        LOG_ROTATION_CRON="* * * * *",
        RECONCILER_INTERVAL_SECONDS="1",
        PREFECT_WORKER_QUERY_SECONDS="0.5",
    ) as parts:
        yield parts


async def ended(parts: Orchestra, prefect: PrefectClient, run: FlowRun) -> FlowRun:
    async def has_ended() -> bool:
        state = (await prefect.read_flow_run(run.id)).state
        return bool(state and state.is_final())

    try:
        await eventually(has_ended, within_seconds=90, every_seconds=0.3)
    except AssertionError:
        raise AssertionError(parts.logs()) from None
    return await prefect.read_flow_run(run.id)


async def executions(parts: Orchestra) -> list[ExecutionRecord]:
    page = await parts.store.query(
        SYSTEM_TENANT, Query(ExecutionRecord, {"workflow": LOG_ROTATION.id})
    )
    return [stored.record for stored in page.items]


async def runs_of(prefect: PrefectClient) -> list[FlowRun]:
    deployment = await prefect.read_deployment_by_name(NAME)
    return await prefect.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )


async def next_tick(prefect: PrefectClient) -> FlowRun:
    """The run that comes next by the schedule."""

    async def planned() -> list[FlowRun]:
        runs = await runs_of(prefect)
        return [run for run in runs if run.auto_scheduled and run.state_name == "Scheduled"]

    return (await eventually(planned, within_seconds=30, every_seconds=0.3))[0]


def shown(run: FlowRun) -> tuple[str | None, str]:
    """The name of its state, and its own."""
    assert run.state
    return run.state.name, run.name


def compressed(logs: Path) -> list[bytes]:
    return [gzip.decompress(path.read_bytes()) for path in logs.glob("*.gz")]


async def test_it_rotates_by_its_schedule_and_by_prefects_own_command(
    parts: Orchestra, prefect: PrefectClient, ledger: Ledger, logs: Path
) -> None:
    deployment = await prefect.read_deployment_by_name(NAME)
    await prefect.pause_deployment(deployment.id)  # a tick now would leave nothing to the command
    parts.worker.start()
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prefect", "deployment", "run", NAME),
        env=os.environ | {"PREFECT_API_URL": str(parts.settings.prefect.api_url)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await command.communicate()
    assert 0 == command.returncode, output.decode()
    of_hand = [run for run in await runs_of(prefect) if not run.auto_scheduled]
    by_hand = max(of_hand, key=lambda run: str(run.created))  # other tests share the server

    by_hand = await ended(parts, prefect, by_hand)
    (logs / "web.log").write_text("three\n")
    await prefect.resume_deployment(deployment.id)
    of_tick = await ended(parts, prefect, await next_tick(prefect))

    assert ("Completed", "Log rotation by hand") == (
        by_hand.state and by_hand.state.name,
        by_hand.name,
    )
    tick = f"{of_tick.expected_start_time:%Y-%m-%d %H:%M}"
    assert ("Completed", f"Log rotation {tick}") == (
        of_tick.state and of_tick.state.name,
        of_tick.name,
    )
    done = {execution.subject: execution for execution in await executions(parts)}
    assert {"by hand", tick} <= done.keys()
    results = done["by hand"].results or {}
    assert (1, 8, 1) == (
        results["rotate-logs"]["logsRotated"],
        results["rotate-logs"]["bytesRotated"],
        results["compress-old"]["filesCompressed"],
    )
    assert "scheduler" == done[tick].input["triggeredBy"]
    assert {b"one\ntwo\n", b"three\n"} == {*compressed(logs)}
    announced = await ledger.published("workflow.operation.completed", count=2)
    ids = {event["data"]["executionId"] for event in announced}
    assert {done["by hand"].id, done[tick].id} <= ids
    artifacts = await prefect.read_artifacts(
        artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[by_hand.id]))
    )
    assert ["markdown", "table", "table"] == sorted(str(one.type) for one in artifacts)
    assert any("logsRotated 1" in str(one.data) for one in artifacts)


async def test_a_step_that_fails_shows_why_and_the_rest_is_skipped(
    parts: Orchestra, prefect: PrefectClient, logs: Path
) -> None:
    deployment = await prefect.read_deployment_by_name(NAME)
    run = await prefect.create_flow_run_from_deployment(deployment.id)
    parts.worker.start(LOG_ROTATION_REOPEN="NONE:/run/no.pid")

    run = await ended(parts, prefect, run)

    assert run.state
    assert "Failed" == run.state.name
    assert "step-failed" in (run.state.message or "")
    assert "LOG_ROTATION_REOPEN has" in (run.state.message or "")
    failed = [one for one in await executions(parts) if one.flow_run_id == str(run.id)]
    assert [("failed", "rotate-logs")] == [(one.status, one.failed_step) for one in failed]


async def test_after_the_death_of_its_worker_another_goes_on(
    parts: Orchestra, prefect: PrefectClient, ledger: Ledger
) -> None:
    parts.api.start()
    parts.worker.start(FAULT_POINT="after-claim")
    deployment = await prefect.read_deployment_by_name(NAME)
    run = await prefect.create_flow_run_from_deployment(deployment.id)
    await parts.worker.died()
    parts.another_worker.start()

    run = await ended(parts, prefect, run)

    assert "Completed" == (run.state and run.state.name)
    [execution] = [one for one in await executions(parts) if one.flow_run_id == str(run.id)]
    assert ("completed", 2) == (execution.status, execution.attempt)
