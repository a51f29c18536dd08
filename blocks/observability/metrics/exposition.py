"""What `/metrics` answers, and what it costs: rendered at most once a second, however many ask."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from prometheus_client import generate_latest

KEPT_SECONDS = 1.0
"""So old an answer may be; rendering holds the event loop for some 30 ms, and Prometheus asks every few seconds."""


class Exposition:
    """This process's metrics as text; `more` adds what is not in its registry. Used on one event loop."""

    def __init__(self, more: Callable[[], Awaitable[str]] | None = None) -> None:
        self._more = more
        self._rendering = asyncio.Lock()
        self._rendered, self._at = b"", float("-inf")

    async def text(self) -> bytes:
        """In the format of Prometheus. Who asks while it is rendered waits for that, and gets the same."""
        async with self._rendering:
            if monotonic() - self._at >= KEPT_SECONDS:
                more = await self._more() if self._more else ""
                self._rendered = generate_latest() + more.encode()
                self._at = monotonic()
            return self._rendered
