"""The API on a port of its own: real HTTP, real records in an embedded store, or a store that
fails.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import msgspec

from api.app import create_app
from api.live.hub import Hub
from api.server import _serve, listening_socket
from blocks.ports import Queue, RecordStore
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from blocks.topology import batch_jobs_queue
from tests.support.api.credentials import ENVIRONMENT
from tests.support.api.every_route import A_QUEUE
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually


class ServedApi(msgspec.Struct, frozen=True):
    url: str
    store: RecordStore


@asynccontextmanager
async def served_api(
    folder: Path, failing: RecordStore | None = None, **environment: str
) -> AsyncIterator[ServedApi]:
    """It takes the tests' tokens and any number of requests; `failing` stands in for its store."""
    settings = load_settings(
        {
            **ENVIRONMENT,
            "ORCHESTRATOR_DATA_DIR": str(folder),
            "PORT": str(free_port()),
            "APPROVAL_LINK_SECRET": "x" * 32,
            "REQUESTS_PER_MINUTE": "0",
            "AUTH_FAILURES_PER_MINUTE": "1000000",
            "WEBHOOK_ALLOWED_HOSTS": "hooks.customer.example",
            **environment,
        }
    )
    async with open_store(settings) as store, open_bus(settings, "api") as bus:
        await store.provision()
        await bus.declare(batch_jobs_queue(settings), Queue(name=A_QUEUE, bindings=()))
        hub = Hub(settings.live)
        app = create_app(settings, failing or store, bus, RememberedFlowRuns(), probes={}, hub=hub)
        with listening_socket(settings.server) as listening:
            serving = asyncio.create_task(_serve(app, listening, settings, hub))
            url = f"http://127.0.0.1:{settings.server.port}"
            try:
                await eventually(lambda: _answers(url), within_seconds=30)
                yield ServedApi(url, store)
            finally:
                serving.cancel()
                with suppress(asyncio.CancelledError):
                    await serving


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient() as client:
        with suppress(httpx.HTTPError):
            return (await client.get(f"{url}/health")).status_code == 200
    return False
