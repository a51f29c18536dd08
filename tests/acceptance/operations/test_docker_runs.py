"""A backup and a batch job in containers of a real Docker engine, made from the image of this
checkout: by schedule, by Prefect's own command, and after a container's death.

The engine is the tests' own, with a network of its own. What runs on this machine is reached from
it at the network's gateway.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.contracts import jobs
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import DATABASE_BACKUP
from blocks.contracts.records import ExecutionRecord
from blocks.operations.backups import backups
from blocks.ports import Query
from deployments.bootstrap.prefect_yaml import docker_pool
from deployments.prefect.embedded import HOSTS
from tests.support.operations.docker_engine import DockerEngine, require_docker_engine
from tests.support.operations.orchestrator_image import DEBOOTSTRAP, IMAGE, build_image
from tests.support.operations.shop import TABLES, Shop
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.servers.tcp_proxy import TcpProxy
from tests.support.system.job_bus import BatchWorker, batch_worker
from tests.support.system.orchestra import Orchestra, bootstrap, on_rabbitmq, undeployed_orchestra
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.docker]

NETWORK = "runs"
USER = 10001
"""Of the image."""
PATIENCE_SECONDS = 240.0
PREFECT = Path(sys.executable).with_name("prefect")

JOB = "outcome-sync"
BACKUP = DATABASE_BACKUP.id


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[DockerEngine]:
    require_docker_engine(DEBOOTSTRAP)
    engine = DockerEngine()
    try:
        engine.start()
        build_image(engine, request.config.cache.mkdir("docker"))
        engine.docker("network", "create", NETWORK)
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="module")
def gateway(engine: DockerEngine) -> str:
    """This machine's address in the network of the containers."""
    return engine.docker("network", "inspect", NETWORK, "-f", "{{(index .IPAM.Config 0).Gateway}}")


@pytest.fixture
def prefect_server(tmp_path: Path, gateway: str) -> Iterator[PrefectServer]:
    """One that answers to this machine's name in the network of the containers, too."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(HOSTS, gateway)
        folder = tmp_path / "prefect"
        folder.mkdir()
        server = PrefectServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.close()


@pytest.fixture
async def parts(
    tmp_path: Path, shop: Shop, gateway: str, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    with (
        TcpProxy(prefect_server.api_url, host=gateway) as prefect,
        TcpProxy(shop.url, host=gateway) as database,
        TcpProxy(rabbitmq.url, host=gateway) as broker,
    ):
        settings = {
            **on_rabbitmq(rabbitmq, tmp_path.name),
            "RABBITMQ_URL": broker.url,
            "COSMOS_DB_ENDPOINT": "sqlite:records.db",
            "PREFECT_API_URL": prefect.url,
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "DATABASE_URL": database.url,
            "DATABASE_BACKUP_CRON": "* * * * *",
            "OUTCOME_SYNC_CRON": "* * * * *",
            "RECONCILER_INTERVAL_SECONDS": "1",
            "DOCKER_RUNS": f"{JOB},{BACKUP}",
            "DOCKER_RUNS_IMAGE": IMAGE,
            "DOCKER_RUNS_NETWORKS": NETWORK,
            "DOCKER_RUNS_VOLUMES": f"{data}:/data",
        }
        async with undeployed_orchestra(data, prefect_server, **settings) as parts:
            await bootstrap(parts)
            for path in (data, *data.rglob("*")):
                os.chown(path, USER, USER)
            yield parts


@pytest.fixture
async def prefect(parts: Orchestra) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: parts.settings.prefect.api_url}):
        async with get_client() as client:
            yield client


@pytest.fixture
async def consumer(parts: Orchestra) -> AsyncIterator[BatchWorker]:
    rabbitmq = parts.settings.rabbitmq
    queue = rabbitmq.batch_jobs_queue
    async with batch_worker(rabbitmq.url, rabbitmq.exchange, queue) as consumer:
        yield consumer


@pytest.fixture
def docker_worker(parts: Orchestra, engine: DockerEngine, tmp_path: Path) -> Iterator[Path]:
    """The log of Prefect's own worker, which serves the Docker pool."""
    pool, log = docker_pool(parts.settings.prefect.work_pool), tmp_path / "docker-worker.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [PREFECT, "worker", "start", "--pool", pool, "--type", "docker"],
            env={**parts.environment, "DOCKER_HOST": f"unix://{engine.socket}"},
            cwd=tmp_path,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(timeout=60)


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


async def test_a_backup_and_a_job_run_in_containers_by_schedule_and_by_prefects_command(
    parts: Orchestra,
    prefect: PrefectClient,
    engine: DockerEngine,
    consumer: BatchWorker,
    shop: Shop,
    docker_worker: Path,
) -> None:
    of_backup, of_job = f"{BACKUP}/{BACKUP}-docker", f"{jobs.WORKFLOW}/{JOB}-docker"
    parts.listener.start()
    parts.worker.start()

    container = await a_container(engine, f"{BACKUP}-docker")
    backup_run = await first_completed(prefect, of_backup, docker_worker)
    job_run = await first_completed(prefect, of_job, docker_worker)
    await pause_schedules(parts, prefect, of_backup, of_job)
    # A job's run by hand waits for every trigger before it to be reported.
    await all_have_ended(prefect, of_backup, of_job)

    assert {"AutoRemove": True, "ReadonlyRootfs": True, "CapDrop": ["ALL"]}.items() <= (
        container["HostConfig"].items()
    )
    assert IMAGE == container["Config"]["Image"]
    assert ([NETWORK], ["/data"]) == (
        list(container["NetworkSettings"]["Networks"]),
        [mount["Destination"] for mount in container["Mounts"]],
    )
    backup = await execution_of(parts, BACKUP, backup_run)
    assert "completed" == backup.status
    assert sum(TABLES.values()) == (backup.results or {})["upload-backup"]["rows"]
    kept = [one async for one in backups(shop.place().files, shop.name)]
    assert kept
    assert all(one.is_verified for one in kept)
    job = await execution_of(parts, jobs.WORKFLOW, job_run)
    assert {"scheduler"} == {one["triggeredBy"] for one in consumer.of(JOB)}
    for _ in consumer.of(JOB):
        await consumer.report(JOB)
    await completed(parts, job.id)

    for name in (of_backup, of_job):
        await prefect_command(parts, "deployment", "run", name, "--watch")
        by_hand = [run for run in await runs_of(prefect, name) if not run.auto_scheduled]
        assert ["Completed"] == [run.state.name for run in by_hand if run.state]
    # The twins in the warm worker: registered, and started by no schedule.
    for name in (f"{BACKUP}/{BACKUP}", f"{jobs.WORKFLOW}/{JOB}"):
        assert [] == await runs_of(prefect, name)
    await no_container_is_left(engine)


async def completed(parts: Orchestra, execution_id: str) -> None:
    async def look() -> bool:
        stored = await parts.store.read(SYSTEM_TENANT, ExecutionRecord, execution_id)
        return stored.record.status == "completed"

    await eventually(look, within_seconds=30)


async def test_a_run_whose_container_was_killed_goes_on_in_another(
    parts: Orchestra,
    prefect: PrefectClient,
    engine: DockerEngine,
    shop: Shop,
    docker_worker: Path,
) -> None:
    of_backup = f"{BACKUP}/{BACKUP}-docker"
    parts.api.start()
    await pause_schedules(parts, prefect, of_backup, f"{jobs.WORKFLOW}/{JOB}-docker")
    started = await prefect_command(parts, "deployment", "run", of_backup)
    [run] = [run for run in await runs_of(prefect, of_backup) if str(run.id) in started]

    container = await a_container(engine, f"{BACKUP}-docker")

    async def is_claimed() -> bool:
        page = await parts.store.query(SYSTEM_TENANT, Query(ExecutionRecord, {"workflow": BACKUP}))
        return any(one.record.status == "running" for one in page.items)

    await eventually(is_claimed, within_seconds=PATIENCE_SECONDS)
    engine.docker("kill", container["Id"])

    async def has_ended() -> bool:
        return (await execution_of(parts, BACKUP, run)).status == "completed"

    await eventually(has_ended, within_seconds=PATIENCE_SECONDS, every_seconds=0.5)
    assert 2 == (await execution_of(parts, BACKUP, run)).attempt
    [kept] = [one async for one in backups(shop.place().files, shop.name)]
    assert kept.is_verified
    assert [] == await shop.scratch_databases()
    await no_container_is_left(engine)
