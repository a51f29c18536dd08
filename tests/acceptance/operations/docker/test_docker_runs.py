"""A backup and a batch job in containers: by schedule, by Prefect's own command, and after a
container's death.
"""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient

from blocks.contracts import jobs
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.operations.backups import backups
from blocks.ports import Query
from deployments.bootstrap.prefect_yaml import docker_pool
from tests.support.operations.docker_engine import DockerEngine
from tests.support.operations.docker_runs import (
    BACKUP,
    JOB,
    NETWORK,
    PATIENCE_SECONDS,
    PREFECT,
    a_container,
    all_have_ended,
    execution_of,
    first_completed,
    no_container_is_left,
    pause_schedules,
    prefect_command,
    runs_of,
)
from tests.support.operations.orchestrator_image import IMAGE
from tests.support.operations.shop import TABLES, Shop
from tests.support.system.job_bus import BatchWorker, batch_worker
from tests.support.system.orchestra import Orchestra
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.docker]


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
        process.kill()  # on SIGTERM it sends itself SIGINT, which tests in the background ignore
        process.wait()


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
