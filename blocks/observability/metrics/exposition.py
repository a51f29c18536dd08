"""The answer of `/metrics`: rendered at most once a second, for any number of requests."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from prometheus_client import generate_latest

KEPT_SECONDS = 1.0
"""Maximum age of an answer: rendering blocks the event loop for 30 ms; scrapes are seconds apart.
"""


class Exposition:
    """This process's metrics as text; `more` adds what is not in its registry. Used on one event
    loop.
    """

    def __init__(self, more: Callable[[], Awaitable[str]] | None = None) -> None:
        self._more = more
        self._rendering = asyncio.Lock()
        self._rendered, self._at = b"", float("-inf")

    async def text(self) -> bytes:
        """In the format of Prometheus. Requests during a rendering wait and get the same answer."""
        async with self._rendering:
            if monotonic() - self._at >= KEPT_SECONDS:
                more = await self._more() if self._more else ""
                self._rendered = generate_latest() + more.encode()
                self._at = monotonic()
            return self._rendered
