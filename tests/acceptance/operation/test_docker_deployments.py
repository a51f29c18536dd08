"""The Docker work pool and its deployments in Prefect, as the settings switch them on and off.

No Docker engine takes part; tests/acceptance/operations/test_docker_runs.py has the containers.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.settings import load_settings
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


@pytest.fixture
async def prefect(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        async with get_client() as client:
            yield client


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
