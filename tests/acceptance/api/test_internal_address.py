"""The address for calls without a credential, as it runs: two real ports of one real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from api.server import PortInUse, run_api
from blocks.contracts import ids
from blocks.contracts.records.claims import PhaseRecord
from blocks.ports import NotFound, RecordStore
from blocks.services import open_store
from blocks.settings import load_settings
from tests.support.api.credentials import ENVIRONMENT, a_token, as_user
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually

PHASE = "/api/v1/workflow/phase/2"
BODY = {"user_id": "u", "sync_id": "s"}


class Ports(msgspec.Struct, frozen=True):
    public: int
    internal: int
    store: RecordStore

    def url(self, port: int, path: str) -> str:
        return f"http://127.0.0.1:{port}{path}"

    async def on_record(self, tenant_id: str) -> PhaseRecord | None:
        id = ids.phase_record_id(ids.journey_id(tenant_id, "u", "s"), 2)
        with suppress(NotFound):
            return (await self.store.read(tenant_id, PhaseRecord, id)).record
        return None


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "ORCHESTRATOR_DATA_DIR": str(folder),
        "PORT": str(free_port()),
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "CLAIMS_TENANT": A_TENANT,
        "AUTH_FAILURES_PER_MINUTE": "1000000",
        **more,
    }


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[Ports]:
    internal = free_port()
    settings = load_settings(environment(tmp_path, CLAIMS_INTERNAL_ADDRESS=f"127.0.0.1:{internal}"))
    async with open_store(settings) as store:
        running = asyncio.create_task(run_api(settings))
        try:
            ports = Ports(settings.server.port, internal, store)
            await eventually(lambda: _answers(ports), within_seconds=30)
            yield ports
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def _answers(ports: Ports) -> bool:
    async with httpx.AsyncClient() as client:
        with suppress(httpx.HTTPError):
            answer = await client.get(ports.url(ports.internal, "/api/v1/workflow/health"))
            return answer.status_code == 200
    return False


async def call(
    ports: Ports, port: int, method: str = "POST", path: str = PHASE, **more: Any
) -> httpx.Response:
    body = {"json": BODY} if method == "POST" else {}
    async with httpx.AsyncClient(timeout=10) as client:
        return await client.request(method, ports.url(port, path), **{**body, **more})


async def raw(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


async def test_the_platforms_services_trigger_phases_without_a_credential(ports: Ports) -> None:
    answer = await call(ports, ports.internal)
    invalid = await call(ports, ports.internal, json={})
    stats = await call(ports, ports.internal, "GET", "/api/v1/workflow/queue/stats")
    cleaned = await call(ports, ports.internal, path="/api/v1/workflow/queue/clean")

    assert [200, 400, 200, 200] == [one.status_code for one in (answer, invalid, stats, cleaned)]
    assert 1 == stats.json()["stats"]["orchestration"]["waiting"]
    phase = await ports.on_record(A_TENANT)
    assert phase is not None
    assert "api:claim-services" == phase.triggered_by


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/ready",
        "/metrics",
        "/docs",
        "/api/v1/executions",
        "/api/v1/claims",
        "/api/v1/workflows",
        "/api/v1/workflow",
        "/api/v1/workflow/../executions",
        "/api/v1/workflow/%2e%2e/executions",
        "/api/v1/workflow/unknown",
        "//api/v1/executions",
    ],
)
async def test_everything_else_is_not_there(ports: Ports, path: str) -> None:
    credential = f"Authorization: Bearer {a_token('admin')}\r\nX-Tenant-ID: {A_TENANT}\r\n"
    for shown in ("", credential):
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{shown}\r\n"
        answer = await raw(ports.internal, head.encode())

        assert answer.startswith(b"HTTP/1.1 404 "), (path, answer)


async def test_the_public_port_never_takes_a_call_without_a_credential(ports: Ports) -> None:
    forged = [
        {},
        {"X-Tenant-ID": A_TENANT},
        {"X-Tenant-ID": A_TENANT, "Authorization": "Bearer internal"},
        {"internal": "true", "X-Internal": "true", "state": '{"internal": true}'},
        {"Host": f"127.0.0.1:{ports.internal}", "X-Forwarded-Host": "127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": str(ports.internal)},
        {"Forwarded": f"for=127.0.0.1;host=127.0.0.1:{ports.internal}"},
        {"X-User-ID": "claim-services", "X-User-Roles": "operator"},
    ]
    for headers in forged:
        assert 401 == (await call(ports, ports.public, headers=headers)).status_code, headers

    body = b'{"user_id":"u","sync_id":"s"}'
    for target in (
        PHASE.encode(),
        f"http://127.0.0.1:{ports.internal}{PHASE}".encode(),
        b"/api/v1/workflow/phase/2?internal=true",
    ):
        answer = await raw(
            ports.public,
            b"POST %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (target, ports.internal, len(body), body),
        )
        assert answer[9:12] in (b"401", b"404"), (target, answer)
    assert await ports.on_record(A_TENANT) is None


async def test_a_credential_that_is_shown_counts_on_the_internal_address_too(ports: Ports) -> None:
    other = as_user(a_token("operator", tenant_id=ANOTHER_TENANT), ANOTHER_TENANT)
    viewer = as_user(a_token("viewer"))

    assert 200 == (await call(ports, ports.internal, headers=other)).status_code
    assert await ports.on_record(A_TENANT) is None
    assert await ports.on_record(ANOTHER_TENANT) is not None
    assert 403 == (await call(ports, ports.internal, headers=viewer)).status_code
    for refused in (
        {"Authorization": "Bearer nonsense", "X-Tenant-ID": A_TENANT},
        {"Authorization": ""},
        {"X-Tenant-ID": ANOTHER_TENANT},
    ):
        assert 401 == (await call(ports, ports.internal, headers=refused)).status_code, refused


async def test_an_internal_port_in_use_names_its_variable(tmp_path: Path) -> None:
    port = free_port()
    settings = load_settings(
        environment(tmp_path, PORT=str(port), CLAIMS_INTERNAL_ADDRESS=f"127.0.0.1:{port}")
    )

    with pytest.raises(PortInUse, match=r"or set CLAIMS_INTERNAL_ADDRESS to another one$"):
        await run_api(settings)
