"""One client that follows its tenant's events."""

import asyncio
from contextlib import suppress

from api.live.filters import Filters
from api.live.log import Entry, TenantLog

AT_ONCE = 64


class Behind(Exception):
    """The next event is not held any more: it has been dropped, or was never received."""


class Follower:
    """Reads its tenant's log from a position on, at its own pace; it holds no events itself."""

    def __init__(self, tenant_id: str, log: TenantLog, filters: Filters, position: int) -> None:
        self.tenant_id = tenant_id
        self.is_ending = False
        """The server stops."""
        self._log = log
        self._filters = filters
        self._position = position
        self._woken = asyncio.Event()

    @property
    def is_caught_up(self) -> bool:
        """Nothing is left to read."""
        return self._log.floor <= self._position and self._position >= self._log.latest

    def read(self) -> list[Entry]:
        """The next events, of at most `AT_ONCE`, that pass. Raises `Behind`; the next read goes on
        from now.
        """
        if self._position < self._log.floor:
            self._position = self._log.latest
            raise Behind
        found = self._log.after(self._position, AT_ONCE)
        if found:
            self._position = found[-1].number
        return [entry for entry in found if self._filters.passes(entry.event)]

    async def woken(self, within_seconds: float) -> None:
        """There is something to read, the server is stopping, or so much time has passed."""
        if self.is_caught_up and not self.is_ending:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(within_seconds):
                    await self._woken.wait()

    def wake(self) -> None:
        self._woken.set()

    def end(self) -> None:
        self.is_ending = True
        self.wake()
