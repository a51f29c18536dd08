"""A work pool on a private Prefect server, workers that serve it, and what to ask of their runs."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, PREFECT_WORKER_QUERY_SECONDS, temporary_settings

from blocks.settings import Settings, load_settings
from deployments.worker.in_process_worker import InProcessWorker
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system import sample_flows
from tests.support.waiting import eventually

Meanwhile = Callable[[], Awaitable[None]] | None


class Stage:
    """A work pool of its own on the shared server; deploys sample flows into it and looks at their
    runs.
    """

    def __init__(self, client: PrefectClient, settings: Settings) -> None:
        self.client = client
        self.settings = settings
        self.pool = f"pool-{uuid4().hex[:8]}"

    async def start(
        self,
        flow_name: str,
        *,
        state: State[Any] | None = None,
        key: str | None = None,
        **parameters: Any,
    ) -> FlowRun:
        flow_id = await self.client.create_flow(
            getattr(sample_flows, flow_name, sample_flows.four_steps)
        )
        deployment_id = await self.client.create_deployment(
            flow_id,
            f"{flow_name}-{self.pool}",
            work_pool_name=self.pool,
            entrypoint=f"tests.support.system.sample_flows.{flow_name}",
            pull_steps=[],
        )
        return await self.client.create_flow_run_from_deployment(
            deployment_id, parameters=parameters, state=state, idempotency_key=key
        )

    async def reached(
        self, run: FlowRun, *names: str, within_seconds: float = 15.0, meanwhile: Meanwhile = None
    ) -> State[Any]:
        """The run's state once it has one of these names."""

        async def look() -> State[Any] | None:
            if meanwhile:
                await meanwhile()
            state = (await self.client.read_flow_run(run.id)).state
            return state if state and state.name in names else None

        state = await eventually(look, within_seconds=within_seconds)
        assert state
        return state

    async def began(self, *runs: FlowRun, times: int = 1) -> None:
        """The body of each run's flow has begun, so often."""

        async def look() -> bool:
            begun = [id for id, _, _ in sample_flows.bodies]
            return all(begun.count(str(run.id)) >= times for run in runs)

        await eventually(look, within_seconds=15)


@asynccontextmanager
async def staged(server: PrefectServer, folder: Path) -> AsyncIterator[Stage]:
    """An empty stage; the sample flows have done nothing yet."""
    settings = load_settings(
        {"ORCHESTRATOR_DATA_DIR": str(folder), "WORKER_HEARTBEAT_SECONDS": "0.3"}
    )
    sample_flows.bodies.clear()
    sample_flows.starts.clear()
    sample_flows.verdicts.clear()
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        async with get_client() as client:
            stage = Stage(client, settings)
            await client.create_work_pool(WorkPoolCreate(name=stage.pool, type="in-process"))
            yield stage


@asynccontextmanager
async def serving(
    stage: Stage, *, drain_seconds: float = 0.1, query_seconds: float = 0.3, **options: Any
) -> AsyncIterator[InProcessWorker]:
    """A worker in the test's own process and event loop."""
    timing = msgspec.structs.replace(stage.settings.worker, drain_seconds=drain_seconds)
    settings = msgspec.structs.replace(stage.settings, worker=timing)
    worker = InProcessWorker(work_pool_name=stage.pool, settings=settings, **options)
    with temporary_settings({PREFECT_WORKER_QUERY_SECONDS: query_seconds}):
        service = asyncio.create_task(worker.start(printer=lambda _: None))
    try:
        yield worker
    finally:
        service.cancel()
        with suppress(asyncio.CancelledError):
            await service


@contextmanager
def worker_process(
    stage: Stage, server: PrefectServer, kind: str, *, drain_seconds: float
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, started by us or by Prefect's command line."""
    arguments = {
        "ours": ["deployments.worker.in_process_worker", "--pool", stage.pool],
        "prefect's": ["prefect", "worker", "start", "--pool", stage.pool, "--type", "in-process"],
    }
    environment = server.client_environment() | {
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",
        "ORCHESTRATOR_DATA_DIR": stage.settings.data_dir,
        "WORKER_DRAIN_SECONDS": str(drain_seconds),
        "WORKER_HEARTBEAT_SECONDS": "0.3",
    }
    process = subprocess.Popen([sys.executable, "-m", *arguments[kind]], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
