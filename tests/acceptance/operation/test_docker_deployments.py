"""The Docker work pool and its deployments in Prefect, as the settings switch them on and off.

No Docker engine takes part; tests/acceptance/operations/docker has the containers.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from blocks.clock import utc_now
from blocks.settings import load_settings
from deployments.bootstrap.left_runs import drop_left_runs
from deployments.bootstrap.prefect_yaml import docker_pool
from deployments.doctor.checks.deployed import deployments, work_pool
from deployments.doctor.connections import Connections
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, bootstrap, undeployed_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

TWIN, DOCKER = "outcome-sync", "outcome-sync-docker"
ON = {"DOCKER_RUNS": TWIN}
OFF = {"DOCKER_RUNS": ""}


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server of this module's own: nothing is deployed on it."""
    server = PrefectServer(tmp_path_factory.mktemp("empty-prefect"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with undeployed_orchestra(tmp_path, prefect_server) as parts:
        yield parts


async def scheduled_runs(prefect: PrefectClient, name: str) -> int:
    """How many runs of this deployment the scheduler has made for later."""
    found = await prefect.read_flow_runs(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=10,
    )
    return len(found)


async def is_scheduled_by_one(prefect: PrefectClient, name: str, *, not_by: str) -> None:
    async def look() -> bool:
        return bool(await scheduled_runs(prefect, name)) and not await scheduled_runs(
            prefect, not_by
        )

    await eventually(look, within_seconds=90, every_seconds=0.5)


async def test_the_schedule_moves_with_the_switch_and_is_never_in_both_pools(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    pool = docker_pool(parts.settings.prefect.work_pool)

    await bootstrap(parts, **OFF)
    await is_scheduled_by_one(prefect, TWIN, not_by=DOCKER)
    assert pool not in {one.name for one in await prefect.read_work_pools()}
    assert [] == [one.name for one in await prefect.read_deployments() if "-docker" in one.name]

    await bootstrap(parts, **ON)
    await is_scheduled_by_one(prefect, DOCKER, not_by=TWIN)
    assert "docker" == (await prefect.read_work_pool(pool)).type
    assert [DOCKER] == [
        one.name for one in await prefect.read_deployments() if "-docker" in one.name
    ]

    await bootstrap(parts, **OFF)
    await is_scheduled_by_one(prefect, TWIN, not_by=DOCKER)


async def test_what_the_scheduler_had_begun_when_a_schedule_was_switched_off_is_not_left(
    parts: Orchestra, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    await bootstrap(parts, **ON)
    deployment = await prefect.read_deployment_by_name(f"batch-job/{TWIN}")
    tomorrow: State[None] = Scheduled(scheduled_time=utc_now() + timedelta(days=1))
    by_schedule, by_hand = [
        await prefect.create_flow_run_from_deployment(deployment.id, state=tomorrow)
        for _ in range(2)
    ]
    with closing(sqlite3.connect(prefect_server.database_url.partition("///")[2])) as database:
        changed = database.execute(
            "UPDATE flow_run SET auto_scheduled = 1 WHERE id = ?", (str(by_schedule.id),)
        ).rowcount
        database.commit()
    assert 1 == changed

    await drop_left_runs(prefect, [deployment.id])

    with pytest.raises(ObjectNotFound):
        await prefect.read_flow_run(by_schedule.id)
    assert (await prefect.read_flow_run(by_hand.id)).state
    await prefect.delete_flow_run(by_hand.id)


async def test_a_switched_off_deployment_has_its_pool_again_when_that_was_deleted(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    """As after another PREFECT_WORK_POOL, or `prefect deploy --all` for another one."""
    pool = docker_pool(parts.settings.prefect.work_pool)
    await bootstrap(parts, **ON)
    await prefect.delete_work_pool(pool)

    await bootstrap(parts, **OFF)

    [left] = [one for one in await prefect.read_deployments() if one.name == DOCKER]
    assert pool == left.work_pool_name
    await is_scheduled_by_one(prefect, TWIN, not_by=DOCKER)


async def test_what_operators_change_in_the_pool_stays(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    pool = docker_pool(parts.settings.prefect.work_pool)
    await bootstrap(parts, **ON)
    template = (await prefect.read_work_pool(pool)).base_job_template
    template["variables"]["properties"]["mem_limit"]["default"] = "3g"
    await prefect.update_work_pool(pool, WorkPoolUpdate(base_job_template=template))

    await bootstrap(parts, **ON, DATABASE_URL="postgresql://shop:secret@db/shop")

    variables = (await prefect.read_work_pool(pool)).base_job_template["variables"]["properties"]
    assert "3g" == variables["mem_limit"]["default"]
    assert "{{ $DATABASE_URL }}" == variables["env"]["default"]["DATABASE_URL"]
    assert "secret" not in str(variables)


async def test_the_doctor_misses_a_worker_of_the_docker_pool(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    await bootstrap(parts, **ON)
    connections = Connections(load_settings({**parts.environment, **ON}), prefect=prefect)

    missing = [finding.todo for finding in await work_pool(connections)]

    pool = docker_pool(parts.settings.prefect.work_pool)
    assert ["start one: `orchestrator worker`"] == missing[:1]
    assert [f"start one: `prefect worker start --pool {pool} --type docker`"] == missing[1:]
    assert {"ok"} == {finding.state for finding in await deployments(connections)}


async def test_the_doctor_finds_a_schedule_that_would_fire_in_both_pools(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    await bootstrap(parts, **ON)
    settings = load_settings({**parts.environment, **OFF})

    found = await deployments(Connections(settings, prefect=prefect))

    wrong = [finding.found.partition(":")[0] for finding in found if finding.state != "ok"]
    assert [TWIN, DOCKER] == wrong
