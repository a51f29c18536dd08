"""The clock of Prefect's server counts, as far as its answers can give the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.settings import PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED, temporary_settings

from blocks import clock
from blocks.adapters.prefect.clock import synchronized_with_server_clock


@asynccontextmanager
async def a_server(ahead: timedelta, seconds: float) -> AsyncIterator[PrefectClient]:
    """Its clock is so far ahead, and its answers take so long; the client speaks to it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(seconds)
        date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
        writer.write(
            (
                f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ).encode()
        )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
        with temporary_settings({PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}):
            async with PrefectClient(url) as client:
                yield client


@pytest.mark.parametrize(("seconds", "is_believed"), [(0.0, True), (1.2, False)])
async def test_only_an_answer_that_came_promptly_says_what_time_it_is(
    seconds: float, is_believed: bool
) -> None:
    ahead = timedelta(minutes=10)
    async with a_server(ahead, seconds) as client, synchronized_with_server_clock(client):
        corrected = clock.correction()
    clock.go_by(datetime.now(UTC))

    assert is_believed == (corrected > ahead / 2)
