"""Periodic tasks of a process beside its work."""

import asyncio
from collections.abc import Awaitable, Callable
from logging import Logger


async def repeat(
    what: str, action: Callable[[], Awaitable[None]], every_seconds: float, logger: Logger
) -> None:
    """Calls `action` until cancelled; logs the first failure in a row, and the recovery."""
    failing = False
    while True:
        try:
            await action()
        except Exception as error:
            if not failing:
                logger.warning(
                    "%s fails and will be tried again: %s: %s", what, type(error).__name__, error
                )
            failing = True
        else:
            if failing:
                logger.info("%s works again", what)
            failing = False
        await asyncio.sleep(every_seconds)
