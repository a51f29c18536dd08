"""How a process waits, at its start, for what it cannot begin without."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from blocks.ports import DeclaredOtherwise, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

_AGAIN_SECONDS = 0.2


async def wait_until_available(
    what: str, attempt: Callable[[], Awaitable[T]], *, limit_seconds: float
) -> T:
    """What the attempt returns, once it does not raise `Unavailable`; the wait is logged once.

    Raises the attempt's last `Unavailable`, naming what is unavailable, when the limit has passed,
    and `DeclaredOtherwise` at once.
    """
    loop = asyncio.get_running_loop()
    began, is_waiting = loop.time(), False
    while True:
        try:
            result = await attempt()
        except DeclaredOtherwise:
            raise
        except Unavailable as error:
            if loop.time() - began >= limit_seconds:
                raise Unavailable(
                    f"{what} did not come within {limit_seconds:g} s: {error}"
                ) from error
            if not is_waiting:
                log.warning("waiting for %s, at most %g s: %s", what, limit_seconds, error)
                is_waiting = True
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            if is_waiting:
                log.info("%s is there after %.1f s", what, loop.time() - began)
            return result
