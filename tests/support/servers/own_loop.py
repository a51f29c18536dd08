"""An event loop on a thread of its own, for servers that blocking tests, asyncio tests and other
processes all use.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_LIMIT_SECONDS = 10.0


class OwnLoop:
    """Runs from `start` to `stop`, which cancels what still runs on it. Calls from other threads
    wait for their end.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, run over there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_LIMIT_SECONDS)

    def call(self, change: Callable[[], object]) -> None:
        """The function has been called over there."""

        async def called() -> None:
            change()

        self.run(called())

    def stop(self) -> None:
        self.run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LIMIT_SECONDS)
        self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
