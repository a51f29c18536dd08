"""SIGINT and SIGTERM as the ordinary end of a long-running command."""

import asyncio
import faulthandler
import logging
import signal
from collections.abc import Callable, Coroutine

from deployments.local.stack_dump import dump_tasks

log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_DUMP_AT = 0.9
"""Of the time limit: while there still is an event loop to look at."""


async def until_stopped(
    work: Coroutine[None, None, None],
    *,
    told_again: Callable[[], None] | None = None,
    limit_seconds: float | None = None,
) -> None:
    """Works until the work ends or a signal stops it: the work is cancelled and may clean up.

    With `limit_seconds`, a process that has not ended so long after the signal logs what its tasks
    wait for, writes the stacks of its threads to stderr and exits with 1: that is a fault, for
    which no supervisor should have to wait.

    Each further signal calls `told_again` (by default it changes nothing). Work that installs
    handlers of its own, like an HTTP server, keeps them.
    """
    working = asyncio.create_task(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            working.cancel()
            if limit_seconds is not None:
                loop.call_later(_DUMP_AT * limit_seconds, _dump)
                faulthandler.dump_traceback_later(limit_seconds, exit=True)
        elif told_again is not None:
            told_again()

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        if not (number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN):  # nohup
            loop.add_signal_handler(number, stop)
    try:
        await working
    except asyncio.CancelledError:
        if not stopped:
            raise


def _dump() -> None:
    log.error("this process was asked to stop, and has not: what its tasks wait for follows")
    dump_tasks()
