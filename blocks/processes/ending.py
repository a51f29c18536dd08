"""The end of what a process has begun: waited for, to a limit, and named in the log when the limit
is reached.

A cancelled task need not end. `asyncio.wait_for` of Python 3.11, which aiormq uses for every time
limit, drops a cancellation that comes together with the result
(https://github.com/python/cpython/issues/86296), and closing a connection waits until the peer has
read what was written to it. So nothing here is awaited without a limit, and a cancellation is
repeated.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)

CLOSE_SECONDS = 3.0
"""How long the orderly end of a connection may take; what is behind it ends with the process."""

_CANCEL_AGAIN_SECONDS = 3.5
_CANCEL_TRIES = 2


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """They were cancelled and have ended. One that goes on after the second time is left behind,
    named in the log.
    """
    pending = {task for task in tasks if not task.done()}
    for tries in range(_CANCEL_TRIES):
        for task in pending:
            if tries:
                log.warning(
                    "%s goes on though it was cancelled: cancelling it again", task.get_name()
                )
            task.cancel()
        if pending:
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)
    for task in pending:
        log.error("%s does not end: it is left behind", task.get_name())
    await asyncio.gather(*(task for task in tasks if task.done()), return_exceptions=True)


async def closed(
    what: str, closing: Coroutine[Any, Any, object], *, within_seconds: float = CLOSE_SECONDS
) -> None:
    """The closing is done, or given up after this time with a log line. Raises what it raises."""
    task = asyncio.create_task(closing, name=f"closing {what}")
    done, _ = await asyncio.wait({task}, timeout=within_seconds)
    if done:
        task.result()
        return
    log.warning("%s was not closed within %g s: going on without", what, within_seconds)
    await ended(task)


@asynccontextmanager
async def closing(what: str) -> AsyncIterator[None]:
    """What is closed inside was closed, or was given up after `CLOSE_SECONDS`, with a line in the
    log.

    For what has to be closed by the task that opened it; what may ignore its cancellation belongs
    into `closed`.
    """
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            yield
    except TimeoutError:
        log.warning("%s was not closed within %g s: going on without", what, CLOSE_SECONDS)
