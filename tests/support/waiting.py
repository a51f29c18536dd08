"""Tests wait for conditions, never for durations."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    look: Callable[[], Awaitable[T]], *, within_seconds: float = 10.0, every_seconds: float = 0.05
) -> T:
    """What `look` returns as soon as that is true; fails with the last thing seen after
    `within_seconds`.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        seen = await look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(
                f"still {seen!r} after {within_seconds:g} s: {getattr(look, '__name__', look)}"
            )
        await asyncio.sleep(every_seconds)
