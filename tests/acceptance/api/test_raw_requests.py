"""Requests that no client library would send, byte by byte, to the real server: none of them gets
past the headers.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from api.server import run_api
from blocks.settings import Settings, load_settings
from tests.benchmarks.http_load import Ask, connection, target
from tests.support.api.credentials import ENVIRONMENT, a_token
from tests.support.factories import A_TENANT, ANOTHER_TENANT
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually

CREDENTIAL = f"Authorization: Bearer {a_token('viewer')}"
TENANT = f"X-Tenant-ID: {A_TENANT}"


@pytest.fixture(scope="module")
async def settings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Settings]:
    """Those of a server that runs."""
    folder: Path = tmp_path_factory.mktemp("raw")
    settings = load_settings(
        {
            **ENVIRONMENT,
            "ORCHESTRATOR_DATA_DIR": str(folder),
            "PORT": str(free_port()),
            "PREFECT_API_URL": "http://127.0.0.1:9/api",
        }
    )
    running = asyncio.create_task(run_api(settings))
    try:
        await eventually(lambda: answers(settings), within_seconds=30)
        yield settings
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def answers(settings: Settings) -> bool:
    try:
        return await status(settings, "Host: api") == 401
    except OSError:
        return False


async def status(settings: Settings, *lines: str | bytes, path: str = "/api/v1/executions") -> int:
    """What a request with these header lines is answered with; 0 if the server hung up."""
    raw = [
        line if isinstance(line, bytes) else line.encode()
        for line in (f"GET {path} HTTP/1.1", *lines)
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", settings.server.port)
    try:
        writer.write(b"\r\n".join([*raw, b"Connection: close", b"", b""]))
        async with asyncio.timeout(10):
            first = await reader.readline()
        return int(first.split()[1]) if first else 0
    finally:
        writer.close()


async def test_a_good_request_is_answered(settings: Settings) -> None:
    assert 200 == await status(settings, "Host: api", CREDENTIAL, TENANT)


async def test_an_answer_on_a_kept_connection_waits_for_no_acknowledgement(
    settings: Settings,
) -> None:
    url = f"http://127.0.0.1:{settings.server.port}"
    async with connection(target(url, "/health", {})) as ask:
        seconds = [await timed(ask) for _ in range(50)]

    assert min(seconds[1:]) < 0.03  # a delayed acknowledgement takes 0.04


async def timed(ask: Ask) -> float:
    began = time.monotonic()
    await ask()
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((CREDENTIAL, TENANT, TENANT), {400}),
        ((CREDENTIAL, TENANT, f"x-tenant-id: {ANOTHER_TENANT}"), {400}),
        ((CREDENTIAL, TENANT, "X-TENANT-ID:"), {400}),
        ((CREDENTIAL, CREDENTIAL, TENANT), {400}),
        ((CREDENTIAL, "X-Tenant-ID:"), {401}),
        ((CREDENTIAL, "X-Tenant-ID:    "), {401}),
        ((CREDENTIAL, f"X-Tenant-ID: {A_TENANT},{ANOTHER_TENANT}"), {400}),
        ((CREDENTIAL, f"X-Tenant-ID: {ANOTHER_TENANT}"), {403}),
        ((CREDENTIAL, f"X_Tenant_ID: {A_TENANT}"), {401}),
        ((CREDENTIAL, f"X-Tenant-ID : {A_TENANT}"), {400}),
        ((CREDENTIAL, f"X-Tenant-ID: {A_TENANT}\rX-User-ID: root"), {400, 403}),
        ((CREDENTIAL, f"X-Tenant-ID: {A_TENANT}\nX-Tenant-ID: {ANOTHER_TENANT}"), {400}),
        ((CREDENTIAL, f"X-Tenant-ID: {A_TENANT}\r\n X-Tenant-ID: {ANOTHER_TENANT}"), {400, 403}),
        ((CREDENTIAL, f"X-Tenant-ID: {A_TENANT}\0"), {400, 403}),
        ((CREDENTIAL, "X-Tenant-ID: " + A_TENANT.replace("1", "\u0661")), {400, 403}),
        ((CREDENTIAL, "X-Tenant-ID: " + A_TENANT.replace("1", "\uff11")), {400, 403}),
        ((CREDENTIAL, b"X-Tenant-ID: \xff\xfe"), {400, 403}),
        ((CREDENTIAL, "X-Tenant-ID: " + "1" * 20_000), {400, 403, 431}),
        ((TENANT, "Authorization: Bearer \u00e4"), {400, 401}),
        ((TENANT, b"Authorization: Bearer \xff"), {400, 401}),
        ((TENANT, "Authorization: Bearer a.b.c\0"), {400, 401}),
        ((TENANT, "Authorization: Bearer"), {401}),
        ((TENANT, f"Authorization: Bearer {'a' * 20_000}.b.c"), {400, 401, 431}),
        ((TENANT, f"Authorization:\t{CREDENTIAL.partition(': ')[2]}x"), {401}),
        ((TENANT, f"Cookie: {CREDENTIAL}"), {401}),
    ],
)
async def test_what_is_wrong_with_the_headers_ends_the_request(
    settings: Settings, lines: tuple[str | bytes, ...], expected: set[int]
) -> None:
    assert await status(settings, "Host: api", *lines) in expected


async def test_a_credential_in_the_path_is_none(settings: Settings) -> None:
    token = CREDENTIAL.rpartition(" ")[2]

    assert 401 == await status(
        settings, "Host: api", TENANT, path=f"/api/v1/executions?access_token={token}"
    )


@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/executions",
        "/api/v1/./executions",
        "/health/../api/v1/executions",
        "/docs/../api/v1/executions",
    ],
)
async def test_no_spelling_of_a_path_gets_round_the_credential(
    settings: Settings, path: str
) -> None:
    assert await status(settings, "Host: api", TENANT, path=path) in (400, 401, 404)
