"""Things on their way to one reader, taken out in bunches: what has come together is handled together."""

import asyncio
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Any number of writers, one reader, one event loop."""

    def __init__(self) -> None:
        self._items: list[T] = []
        self._stirred = asyncio.Event()

    def put(self, *items: T) -> None:
        """The items will be in the reader's next bunch. Without items: the reader wakes up and looks around."""
        self._items += items
        self._stirred.set()

    async def take(self, timeout_seconds: float) -> list[T]:
        """All that has come, as soon as anything has; empty when stirred without items or nothing comes in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(timeout_seconds, 0)):
                await self._stirred.wait()
        self._stirred.clear()
        taken, self._items = self._items, []
        return taken
