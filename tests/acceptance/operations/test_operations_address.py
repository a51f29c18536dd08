"""The address of operations, as it runs: the calls that the platform's documents print, without a
credential, on a real port.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from api.server import run_api
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from blocks.topology import intake_queue
from tests.support.api.credentials import ENVIRONMENT, a_token, as_user
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """The address of operations, and the public one."""
    public, own = free_port(), free_port()
    settings = load_settings(
        {
            **ENVIRONMENT,
            "ORCHESTRATOR_DATA_DIR": str(tmp_path),
            "PORT": str(public),
            "PREFECT_API_URL": "http://127.0.0.1:9/api",
            "OPERATIONS_ADDRESS": f"127.0.0.1:{own}",
        }
    )
    async with open_store(settings) as store, open_bus(settings, "test") as bus:
        await store.provision()
        await bus.declare(intake_queue(settings))
        running = asyncio.create_task(run_api(settings))
        urls = f"http://127.0.0.1:{own}", f"http://127.0.0.1:{public}"

        async def answers() -> bool:
            async with httpx.AsyncClient() as client:
                with suppress(httpx.HTTPError):
                    return (await client.get(f"{urls[0]}/health")).status_code == 200
            return False

        try:
            await eventually(answers, within_seconds=30)
            yield urls
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def curl(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--fail-with-body", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert 0 == process.returncode, output.decode()
    return output.decode()


async def test_the_calls_of_the_platforms_documents_work_as_printed(ports: tuple[str, str]) -> None:
    own, _ = ports
    json = ("-H", "Content-Type: application/json")

    assert '"status":"healthy"' in await curl(f"{own}/health")
    assert '"id":"log-rotation"' in await curl(f"{own}/api/workflows")
    started = await curl(
        "-X", "POST", *json, "-d", '{"inputData": {}}', f"{own}/api/workflows/log-rotation/trigger"
    )
    assert '"success":true' in started
    assert '"recentRuns":[{' in await curl(f"{own}/api/workflows/log-rotation/status")
    event = '{"eventType": "cms.content.updated", "payload": {"serviceId": 123}}'
    assert '"success":true' in await curl("-X", "POST", *json, "-d", event, f"{own}/api/events")
    assert '"events":' in await curl(f"{own}/api/events")
    assert "workflow_runs_total" in await curl(f"{own}/api/metrics")


async def test_nothing_else_is_there_and_the_public_port_wants_a_credential(
    ports: tuple[str, str],
) -> None:
    own, public = ports
    operator = as_user(a_token("operator", tenant_id=SYSTEM_TENANT), SYSTEM_TENANT)
    async with httpx.AsyncClient() as client:
        for path in (
            "/ready",
            "/docs",
            "/api/v1/executions",
            "/api/v1/workflow/health",
            "/metrics",
        ):
            assert 404 == (await client.get(own + path)).status_code, path
        for path in ("/api/health", "/api/workflows", "/api/events", "/api/stats"):
            assert 401 == (await client.get(public + path)).status_code, path
            assert 200 == (await client.get(public + path, headers=operator)).status_code, path
        viewer = as_user(a_token("viewer", tenant_id=SYSTEM_TENANT), SYSTEM_TENANT)
        assert 403 == (await client.get(f"{own}/api/workflows", headers=viewer)).status_code
