"""The progress of a run in Prefect while it lasts: "17 of 23 answered", "2 of 4 steps done".

Each change costs Prefect's server a request. So a run that is soon done shows none, and one that
lasts shows it after ten seconds, then twenty, forty, …: nine requests in an hour.
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

    def __init__(
        self, total: Callable[[], int], done: Callable[[], int], text: Callable[[], str]
    ) -> None:
        self._total = total
        self._done = done
        self._text = text
        self._id: UUID | None = None
        self._last = ""

    async def show_for_ever(self) -> None:
        pause = FIRST_SECONDS
        while True:
            await asyncio.sleep(pause)
            await self.show()
            pause *= 2

    async def show(self) -> None:
        done, total = self._done(), self._total()
        if total < 2:
            return
        percent, text = 100.0 * done / total, f"{done} of {total} {self._text()}"
        if text == self._last:
            return
        if self._id:
            await artifacts.change(self._id, percent, text)
        else:
            shown = Shown(type="progress", data=percent, description=text)
            self._id = next(iter(await artifacts.show([shown])), None)
        self._last = text

    async def finish(self) -> None:
        """What was shown is not left behind the truth."""
        if self._id:
            await self.show()


@asynccontextmanager
async def shown_progress(
    total: Callable[[], int], done: Callable[[], int], text: Callable[[], str]
) -> AsyncIterator[None]:
    """While this lasts, the run shows how much of it is done, with the text behind it; a run of one
    part shows nothing.
    """
    progress = _Progress(total, done, text)
    showing = asyncio.create_task(progress.show_for_ever(), name="showing the progress")
    try:
        yield
    finally:
        await ended(showing)
    await progress.finish()
