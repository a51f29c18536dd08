"""Wakes waiting tasks: a hint that comes while a task is busy ends its next wait, too."""

import asyncio
from contextlib import suppress


class Ring:
    """The next ring of a bell. Take it before you look, wait for it after: a ring meanwhile ends
    the wait at once.
    """

    def __init__(self) -> None:
        self._has_rung = asyncio.Event()

    def set(self) -> None:
        self._has_rung.set()

    async def wait(self, seconds: float) -> None:
        """Returns when the bell has rung, or after so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_rung.wait()


class Bell:
    """One for all who wait; `rung` is its next ring."""

    def __init__(self) -> None:
        self.rung = Ring()

    def ring(self) -> None:
        self.rung.set()
        self.rung = Ring()
