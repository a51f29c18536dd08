"""Prefect as it comes, for comparison: direct calls in one process, and its own process worker."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker

from tests.benchmarks.processes import Part
from tests.support.servers.prefect_server import PrefectServer
from tests.support.waiting import eventually

_REPOSITORY = Path(__file__).parents[3]
_POOL = "process-pool"
_ENTRYPOINT = "tests.benchmarks.peers.noop.four_steps"
_LIMIT_SECONDS = 300.0


async def calls_per_second(server: PrefectServer, calls: int) -> float:
    """`await four_steps()` in one process, with shared clients, on a tuned server."""
    command = [sys.executable, "-m", "tests.benchmarks.peers.noop", str(calls)]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=server.client_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout.split()[-1])


async def process_worker_runs_per_second(server: PrefectServer, runs: int) -> float:
    """All runs are scheduled at once, for a worker that is warm, polls each second and has no
    limit.
    """
    environment = server.client_environment() | {
        "PYTHONPATH": str(_REPOSITORY),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    worker = Part(
        "process-worker",
        ("prefect", "worker", "start", "--pool", _POOL, "--type", "process"),
        environment,
        server.folder,
    )
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        async with get_client() as client:
            deployment = await _deploy(client)
            worker.start()
            try:
                await _run(client, deployment, 1)
                began = time.monotonic()
                await _run(client, deployment, runs)
                return runs / (time.monotonic() - began)
            finally:
                worker.stop()


async def _deploy(client: PrefectClient) -> UUID:
    template = ProcessWorker.get_default_base_job_template()
    await client.create_work_pool(
        WorkPoolCreate(name=_POOL, type="process", base_job_template=template)
    )
    return await client.create_deployment(
        flow_id=await client.create_flow_from_name("four-steps"),
        name="four-steps",
        entrypoint=_ENTRYPOINT,
        work_pool_name=_POOL,
        pull_steps=[],
    )


async def _run(client: PrefectClient, deployment: UUID, runs: int) -> None:
    """So many runs have been completed."""
    made = [await client.create_flow_run_from_deployment(deployment) for _ in range(runs)]

    async def all_completed() -> bool:
        found = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                id=FlowRunFilterId(any_=[run.id for run in made]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
            ),
            sort=FlowRunSort.ID_DESC,
            limit=200,
        )
        return len(found) == runs

    await eventually(all_completed, within_seconds=_LIMIT_SECONDS, every_seconds=0.2)
