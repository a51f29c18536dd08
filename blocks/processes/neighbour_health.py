"""The health of the platform's other services: does each answer its `/health`?

They work for us over the bus, so one that does not answer degrades nothing here by itself.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from time import monotonic

import httpx

from blocks.ports import Unavailable
from blocks.processes.readiness import problems
from blocks.settings import Services

KEPT_SECONDS = 10.0
"""So long an answer counts, however often it is asked for."""

ANSWER_SECONDS = 2.0


class Neighbours:
    """Every service with a URL, asked at once and at most once in `kept_seconds`.

    Lives as long as the process; it holds no connection between two looks.
    """

    def __init__(self, services: Services, kept_seconds: float = KEPT_SECONDS) -> None:
        self._urls = services.urls()
        self._kept_seconds = kept_seconds
        self._looking = asyncio.Lock()
        self._known: Mapping[str, str | None] = {}
        self._known_until = float("-inf")

    async def problems(self) -> Mapping[str, str | None]:
        """What is wrong with each service, by its name; None: nothing."""
        async with self._looking:
            if monotonic() >= self._known_until:
                self._known = await look(self._urls)
                self._known_until = monotonic() + self._kept_seconds
        return self._known


async def look(urls: Mapping[str, str]) -> dict[str, str | None]:
    """The same, asked now; within two seconds."""
    if not urls:
        return {}
    # Inside the platform: no proxy. A redirect is not followed, it is no answer.
    async with httpx.AsyncClient(
        timeout=ANSWER_SECONDS, trust_env=False, follow_redirects=False
    ) as client:
        return await problems(
            {name: partial(_expect_healthy, client, url) for name, url in urls.items()}
        )


async def _expect_healthy(client: httpx.AsyncClient, url: str) -> None:
    try:
        async with client.stream("GET", f"{url.rstrip('/')}/health") as answer:
            status = answer.status_code
    except httpx.TimeoutException:
        raise Unavailable(f"no answer in {ANSWER_SECONDS:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"it does not answer: {type(error).__name__}") from None
    if status != httpx.codes.OK:
        raise Unavailable(f"its /health answers {status}")
