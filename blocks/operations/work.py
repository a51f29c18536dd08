"""What the work behind every step shares."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotConfigured(Exception):
    """There is nothing to work on; the message names the setting that would change that."""


class Stopped(Exception):
    """The work was given up between two pieces of it."""


Stop = Callable[[], None]
"""Raises `Stopped` once the work is to end; to be called between pieces of it."""


def never_stopped() -> None:
    """For work that a person has begun, who can interrupt it."""


async def in_thread(work: Callable[[Stop], T]) -> T:
    """What `work` returns, done beside the event loop.

    When this is cancelled, the work ends at its next call of the `Stop` that it was given, and is
    waited for: nothing goes on behind the back of whoever takes over.
    """
    given_up = threading.Event()

    def stop() -> None:
        if given_up.is_set():
            raise Stopped

    working = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # seen: it is not ours to raise any more
        raise
