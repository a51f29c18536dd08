"""Synchronises this process's clock with Prefect's server, against wrong machine clocks."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from time import monotonic

from prefect.client.orchestration import PrefectClient

from blocks import clock
from blocks.processes.ending import ended

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
_FIRST_LOOK_SECONDS = 3.0
_PROMPT_SECONDS = 1.0
"""An answer that took longer (a busy server, or a busy client) does not give the present time."""


@asynccontextmanager
async def synchronized_with_server_clock(client: PrefectClient) -> AsyncIterator[None]:
    """While this lasts, `utc_now` agrees with Prefect's server; if that is down, it retries."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_LOOK_SECONDS):
            await _look(client)
    looking = asyncio.create_task(_look_for_ever(client), name="looking at the server's clock")
    try:
        yield
    finally:
        await ended(looking)


async def _look_for_ever(client: PrefectClient) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await _look(client)


async def _look(client: PrefectClient) -> None:
    asked = monotonic()
    try:
        answer = await client.hello()
        server_time = parsedate_to_datetime(answer.headers["Date"])
    except (
        Exception
    ) as error:  # down, or behind a proxy that sends no date: the clock stays as it is
        log.debug("the server's clock cannot be read: %s", error)
        return
    if monotonic() - asked > _PROMPT_SECONDS:
        return
    apart = server_time - clock.utc_now()
    clock.go_by(server_time)
    if abs(apart) > clock.TOLERANCE:
        log.warning(
            "the clock of Prefect's server is %+.0f s from this process's; going by it",
            apart.total_seconds(),
        )
