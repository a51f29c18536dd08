"""The API as it runs: a real server on a real port, with the embedded store and bus, asked to stop
by a signal.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from api.server import PortInUse, run_api
from blocks.contracts.records import Record
from blocks.ports import RecordStore
from blocks.services import open_store
from blocks.settings import BadSetting, Settings, load_settings
from tests.support.api.credentials import ENVIRONMENT, AnyTenant
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_process, a_step, an_execution
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path, port=free_port())


async def test_a_tenant_reads_its_execution_over_http(settings: Settings) -> None:
    execution = an_execution(status="running")
    async with open_store(settings) as store:
        await keep(store, execution, a_step(execution_id=execution.id, step="forecast"))
        async with running_api(settings) as client:
            own = await client.get(
                f"/api/v1/executions/{execution.id}", headers={"X-Tenant-ID": A_TENANT}
            )
            foreign = await client.get(
                f"/api/v1/executions/{execution.id}", headers={"X-Tenant-ID": ANOTHER_TENANT}
            )

    assert (200, 404) == (own.status_code, foreign.status_code)
    assert ["running", "running", "completed", "running"] == [
        step["status"] for step in own.json()["steps"]
    ]


async def test_readiness_distinguishes_the_parts_that_are_there_from_those_that_are_not(
    settings: Settings,
) -> None:
    async with open_store(settings) as store:
        await keep(store, a_process(role="listener"))
        async with running_api(settings) as client:
            response = await client.get("/ready")

    assert 503 == response.status_code
    assert {
        "database": "ok",
        "broker": "ok",
        "prefect": "error",
        "listener": "ok",
        "worker": "error",
    } == {part: check["status"] for part, check in response.json()["checks"].items()}


async def test_a_signal_ends_the_server_and_frees_its_port(settings: Settings) -> None:
    running = asyncio.create_task(run_api(settings))
    async with answering(settings):
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await running

    with socket.create_server(("127.0.0.1", settings.server.port)):
        pass


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            PortInUse,
            match=rf"^the API cannot listen on 127.0.0.1:{port}: the port is in use; [^\n]+$",
        ):
            await run_api(settings_for(tmp_path, port=port))


async def test_an_address_of_another_machine_is_a_bad_setting(tmp_path: Path) -> None:
    # 203.0.113.0/24 is reserved for documentation: no machine has it.
    with pytest.raises(
        BadSetting, match=r"cannot listen on 203.0.113.9:\d+: Cannot assign requested address$"
    ):
        await run_api(settings_for(tmp_path, port=free_port(), host="203.0.113.9"))


@asynccontextmanager
async def running_api(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that runs while the context lasts; leaving cancels it, as a stopping
    process does.
    """
    running = asyncio.create_task(run_api(settings))
    try:
        async with answering(settings) as client:
            yield client
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def answering(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client, once the server answers."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{settings.server.port}", timeout=10, auth=AnyTenant()
    ) as client:

        async def is_healthy() -> bool:
            try:
                return (await client.get("/health")).is_success
            except httpx.ConnectError:
                return False

        await eventually(is_healthy, within_seconds=20)
        yield client


async def keep(store: RecordStore, *records: Record) -> None:
    for record in records:
        await store.create(record.tenant_id, record)


def settings_for(directory: Path, *, port: int, host: str = "127.0.0.1") -> Settings:
    """Embedded parts in this directory, and a Prefect that is not there: nothing
    listens on port 9.
    """
    return load_settings(
        {
            **ENVIRONMENT,
            "ORCHESTRATOR_DATA_DIR": str(directory),
            "HOST": host,
            "PORT": str(port),
            "PREFECT_API_URL": "http://127.0.0.1:9/api",
            # The beat of a process made by a test must outlast the test.
            "WORKER_LOST_AFTER_SECONDS": "60",
        }
    )
