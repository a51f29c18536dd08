"""Read, decide, replace with the ETag of what was read: again while others write in between. One bound, one error."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from blocks.ports import AlreadyExists, Stale, Unavailable, WrongVersion

T = TypeVar("T")

TRIES = 200
"""A hundred callers of one record at once need about as many."""

_PAUSE_SECONDS = 0.002
_PAUSES_MAX = 50


class Contended(Unavailable):
    """Others changed the record each time between the read and the write. The same call may succeed later."""


async def update(attempt: Callable[[], Awaitable[T]], what: str) -> T:
    """What `attempt` returns; it reads, decides and writes, and is called again when its write was `Stale`.

    An `AlreadyExists` counts as a write in between, too. Raises what `attempt` raises besides, `WrongVersion` among it,
    and `Contended` after `TRIES`; `what` names the record in its message.
    """
    for number in range(TRIES):
        try:
            return await attempt()
        except WrongVersion:
            raise
        except (Stale, AlreadyExists):
            await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS * min(number, _PAUSES_MAX)))
    raise Contended(f"{what} changed {TRIES} times meanwhile")
