"""Duties of a process that come again and again, whatever happened to them the last time."""

import asyncio
from collections.abc import Awaitable, Callable
from logging import Logger

from blocks.ports import Unavailable


async def again_and_again(
    what: str, duty: Callable[[], Awaitable[object]], every_seconds: float, logger: Logger
) -> None:
    """Carries the duty out until cancelled; what fails is tried again the next time.

    `what` is looked after by it, for the log: in the plural.
    """
    while True:
        try:
            await duty()
        except Unavailable as error:
            logger.debug("%s are looked after later: %s", what, error)
        except Exception:
            logger.exception("%s could not be looked after", what)
        await asyncio.sleep(every_seconds)
