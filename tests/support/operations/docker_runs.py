"""Runs of the Docker pool, as Prefect and the engine show them."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import DATABASE_BACKUP, LOG_ROTATION
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Query
from tests.support.operations.docker_engine import DockerEngine
from tests.support.system.orchestra import Orchestra
from tests.support.waiting import eventually

NETWORK = "runs"
USER = 10001
"""Of the image."""
PATIENCE_SECONDS = 240.0
PREFECT = Path(sys.executable).with_name("prefect")

JOB = "outcome-sync"
BACKUP = DATABASE_BACKUP.id
ROTATION = LOG_ROTATION.id


async def runs_of(prefect: PrefectClient, name: str) -> list[FlowRun]:
    """Of the deployment `flow/name`, oldest first."""
    deployment = await prefect.read_deployment_by_name(name)
    return await prefect.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )


async def first_completed(prefect: PrefectClient, name: str, log: Path) -> FlowRun:
    """The first run of the deployment's schedule that completes."""

    async def look() -> FlowRun | None:
        ended = [run for run in await runs_of(prefect, name) if run.state and run.state.is_final()]
        names = {run.state.name for run in ended if run.state}
        assert names <= {"Completed", "Skipped"}, names
        return next((run for run in ended if run.state and run.state.name == "Completed"), None)

    try:
        found = await eventually(look, within_seconds=PATIENCE_SECONDS, every_seconds=0.5)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{end_of(log)}") from None
    assert found
    return found


async def all_have_ended(prefect: PrefectClient, *names: str) -> None:
    async def look() -> bool:
        runs = [run for name in names for run in await runs_of(prefect, name)]
        return all(run.state and run.state.is_final() for run in runs)

    await eventually(look, within_seconds=PATIENCE_SECONDS, every_seconds=0.5)


def end_of(log: Path) -> str:
    return log.read_text()[-5000:]


async def execution_of(parts: Orchestra, workflow: str, run: FlowRun) -> ExecutionRecord:
    page = await parts.store.query(SYSTEM_TENANT, Query(ExecutionRecord, {"workflow": workflow}))
    [found] = [one.record for one in page.items if one.record.flow_run_id == str(run.id)]
    return found


async def a_container(engine: DockerEngine, deployment: str) -> dict[str, Any]:
    """What the engine shows of a running container of this deployment."""

    async def look() -> dict[str, Any] | None:
        label = f"label=io.prefect.deployment-name={deployment}"
        ids = await asyncio.to_thread(engine.docker, "ps", "--quiet", "--filter", label)
        if not ids:
            return None
        [shown] = json.loads(engine.docker("inspect", ids.split()[0]))
        return dict(shown)

    found = await eventually(look, within_seconds=PATIENCE_SECONDS, every_seconds=0.2)
    assert found
    return found


async def no_container_is_left(engine: DockerEngine) -> None:
    async def is_empty() -> bool:
        return not await asyncio.to_thread(engine.docker, "ps", "--all", "--quiet")

    await eventually(is_empty, within_seconds=60, every_seconds=0.5)


async def prefect_command(parts: Orchestra, *arguments: str) -> str:
    command = await asyncio.create_subprocess_exec(
        PREFECT,
        *arguments,
        env=parts.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        output, _ = await command.communicate()
    assert 0 == command.returncode, output.decode()
    return output.decode()


async def pause_schedules(parts: Orchestra, prefect: PrefectClient, *names: str) -> None:
    for name in names:
        deployment = await prefect.read_deployment_by_name(name)
        await prefect.pause_deployment(deployment.id)
