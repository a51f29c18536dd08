"""Scheduled batch jobs on a real Prefect server and a real RabbitMQ, watched by a consumer that shares no code."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.jobs import JOBS, WORKFLOW
from blocks.contracts.records import ExecutionRecord
from tests.support.job_bus import BatchWorker, batch_worker
from tests.support.orchestra import Orchestra, orchestra
from tests.support.prefect_server import PrefectServer
from tests.support.rabbitmq import RabbitMQNode
from tests.support.waiting import eventually

SEVEN = [job.id for job in JOBS if job.active]


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode) -> AsyncIterator[Orchestra]:
    name = tmp_path.name
    async with orchestra(
        tmp_path,
        prefect_server,
        RABBITMQ_URL=rabbitmq.url,
        RABBITMQ_EXCHANGE=f"events-{name}",
        RABBITMQ_QUEUE=f"orchestrator-{name}",
        RABBITMQ_BATCH_JOBS_QUEUE=f"jobs-{name}",
        MIRROR_INTERVAL_SECONDS="1",
    ) as parts:
        yield parts


@pytest.fixture
async def consumer(parts: Orchestra) -> AsyncIterator[BatchWorker]:
    rabbitmq = parts.settings.rabbitmq
    async with batch_worker(rabbitmq.url, rabbitmq.exchange, rabbitmq.batch_jobs_queue) as consumer:
        yield consumer


@pytest.fixture
async def prefect(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        async with get_client() as client:
            yield client


async def tick(prefect: PrefectClient, job: str, at: datetime | None = None) -> FlowRun:
    """A run of the job's deployment for this moment, as the scheduler makes them (now, if none is named)."""
    deployment = await prefect.read_deployment_by_name(f"{WORKFLOW}/{job}")
    state: State[None] = Scheduled(scheduled_time=at or utc_now())
    return await prefect.create_flow_run_from_deployment(deployment.id, state=state)


async def ended(parts: Orchestra, prefect: PrefectClient, *runs: FlowRun) -> list[tuple[str, str]]:
    """Name and message of the states in which these runs have ended."""

    async def all_ended() -> list[tuple[str, str]]:
        states = [(await prefect.read_flow_run(run.id)).state for run in runs]
        done = [(state.name or "", state.message or "") for state in states if state and state.is_final()]
        return done if len(done) == len(runs) else []

    try:
        return await eventually(all_ended, within_seconds=60, every_seconds=0.3)
    except AssertionError:
        raise AssertionError(parts.logs()) from None


async def executions_of(parts: Orchestra, job: str) -> list[ExecutionRecord]:
    """Oldest first."""
    where = {"workflow": WORKFLOW, "subject": job}
    page = await parts.store.query(ids.SYSTEM_TENANT, ExecutionRecord, where, newest_first=False, limit=1000)
    return [stored.record for stored in page.items]


async def test_each_of_the_seven_publishes_one_trigger_per_tick(
    parts: Orchestra, consumer: BatchWorker, prefect: PrefectClient
) -> None:
    parts.worker.start()
    at = utc_now()
    runs = [await tick(prefect, job, at) for job in SEVEN for _ in range(2)]  # as by two schedulers

    assert {"Completed"} == {name for name, _ in await ended(parts, prefect, *runs)}
    assert sorted(SEVEN) == sorted(envelope["data"]["job"] for envelope in consumer.envelopes)
