"""Web pages asked for, many at once in bounds: whether each answers, and how fast."""

import asyncio
from collections.abc import Mapping
from time import perf_counter

import httpx
import msgspec

from blocks.contracts.envelope import SERVICE

BYTES_MAX = 64 * 1024 * 1024
"""Of one page; what is larger has failed."""


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
    # Inside the platform: no proxy.
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(limit_seconds, pool=None),
        limits=limits,
        trust_env=False,
        headers={"user-agent": SERVICE},
    ) as client:

        async def one(name: str, url: str) -> Answer:
            async with places:
                return await _answer(client, name, url, limit_seconds)

        return await asyncio.gather(*(one(name, url) for name, url in pages.items()))


async def _answer(client: httpx.AsyncClient, name: str, url: str, limit_seconds: float) -> Answer:
    began, status, size = perf_counter(), None, 0
    try:
        async with asyncio.timeout(limit_seconds), client.stream("GET", url) as response:
            status = response.status_code
            async for part in response.aiter_raw():
                size += len(part)
                if size > BYTES_MAX:
                    raise _Failed(f"it has more than {BYTES_MAX} bytes")
        error = None if response.is_success else f"it answered {status}"
    except (TimeoutError, httpx.TimeoutException):
        error = f"no answer within {limit_seconds:g} s"
    except _Failed as failed:
        error = str(failed)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as problem:
        error = f"it does not answer ({type(problem).__name__})"
    return Answer(
        name=name,
        url=url.partition("?")[0],
        status=status,
        bytes=size,
        milliseconds=round((perf_counter() - began) * 1000),
        error=error,
    )


class _Failed(Exception):
    pass
