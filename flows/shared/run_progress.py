"""The progress of a batch in Prefect while it runs: "17 of 23 answered".

Each change costs Prefect's server a request. So a batch that is answered promptly shows none, and
one that waits shows it after ten seconds, then twenty, forty, …: nine requests in an hour.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from blocks.processes.ending import ended
from flows.shared import artifacts
from flows.shared.artifacts import Shown

FIRST_SECONDS = 10.0


class _Progress:
    """The artifact of one run, once there is one."""

    def __init__(self, total: int, answered: Callable[[], int]) -> None:
        self._total = total
        self._answered = answered
        self._id: UUID | None = None
        self._last = -1

    async def show_for_ever(self) -> None:
        pause = FIRST_SECONDS
        while True:
            await asyncio.sleep(pause)
            await self.show()
            pause *= 2

    async def show(self) -> None:
        now = self._answered()
        if now == self._last:
            return
        percent, text = 100.0 * now / self._total, f"{now} of {self._total} answered"
        if self._id:
            await artifacts.change(self._id, percent, text)
        else:
            shown = Shown(type="progress", data=percent, description=text)
            self._id = next(iter(await artifacts.show([shown])), None)
        self._last = now

    async def finish(self) -> None:
        """What was shown is not left behind the truth."""
        if self._id:
            await self.show()


@asynccontextmanager
async def shown_progress(total: int, answered: Callable[[], int]) -> AsyncIterator[None]:
    """While this lasts, the run shows how many of its executions are answered; a run of one shows
    nothing.
    """
    if total < 2:
        yield
        return
    progress = _Progress(total, answered)
    showing = asyncio.create_task(progress.show_for_ever(), name="showing the progress")
    try:
        yield
    finally:
        await ended(showing)
    await progress.finish()
