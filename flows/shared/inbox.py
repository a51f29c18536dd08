"""Items on their way to one reader, taken in batches: what arrives together is handled together."""

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Any number of writers, one reader, one event loop."""

    def __init__(self) -> None:
        self._items: list[T] = []
        self._stirred = asyncio.Event()
        self._is_closed = False

    def put(self, *items: T) -> None:
        """The items will be in the reader's next bunch. Without items, the reader just wakes up."""
        self._items += items
        self._stirred.set()

    def close(self) -> None:
        """Nothing more comes: `bunches` ends."""
        self._is_closed = True
        self._stirred.set()

    async def bunches(self) -> AsyncIterator[list[T]]:
        """All that comes until it is closed, as it gathers while the reader is busy."""
        while self._items or not self._is_closed:
            await self._stirred.wait()
            if gathered := self.take_now():
                yield gathered

    async def take(self, timeout_seconds: float) -> list[T] | None:
        """All that has come, as soon as anything has; empty if stirred without items, None if
        nothing came in time.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._stirred.wait()
        except TimeoutError:
            return None
        return self.take_now()

    def take_now(self) -> list[T]:
        """All that has come."""
        self._stirred.clear()
        taken, self._items = self._items, []
        return taken
