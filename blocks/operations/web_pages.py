"""Web pages asked for, many at once in bounds: whether each answers, and how fast."""

import asyncio
from collections.abc import Mapping
from time import perf_counter

import httpx
import msgspec

from blocks.operations.http import Request, ServiceFailed, answering, client, parts_of

BYTES_MAX = 64 * 1024 * 1024
"""Of one page; what is larger has failed."""

# A cache keeps an answer for each of these. The body is not unpacked, only counted.
_AS_BROWSERS_DO = {"accept": "*/*", "accept-encoding": "gzip, deflate"}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one request."""

    name: str
    url: str
    """Without its query, which may hold a secret."""
    status: int | None = None
    bytes: int = 0
    milliseconds: int
    error: str | None = None
    """Why it failed, in a few words; None: it did not."""


async def ask(pages: Mapping[str, str], *, at_once: int, limit_seconds: float) -> list[Answer]:
    """One answer for each page (a URL by its name), in their order; none is raised for.

    A page is read to its end. It has failed without a status of success within the limit; a
    redirect is not followed.
    """
    places = asyncio.Semaphore(at_once)
    async with client(at_once) as connections:

        async def one(name: str, url: str) -> Answer:
            async with places:
                return await _answer(connections, name, url, limit_seconds)

        return await asyncio.gather(*(one(name, url) for name, url in pages.items()))


async def _answer(
    connections: httpx.AsyncClient, name: str, url: str, limit_seconds: float
) -> Answer:
    page = Request(service="it", url=url, headers=_AS_BROWSERS_DO, limit_seconds=limit_seconds)
    began, status, size = perf_counter(), None, 0
    try:
        async with answering(connections, page) as response:
            status = response.status_code
            async for part in parts_of(page, response, BYTES_MAX):
                size += len(part)
        error = None if response.is_success else f"it answered {status}"
    except ServiceFailed as failed:
        error = str(failed)
    return Answer(
        name=name,
        url=url.partition("?")[0],
        status=status,
        bytes=size,
        milliseconds=round((perf_counter() - began) * 1000),
        error=error,
    )
