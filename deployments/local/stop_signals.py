"""SIGINT and SIGTERM as the ordinary end of a long-running command."""

import asyncio
import signal
from collections.abc import Callable, Coroutine

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_stopped(work: Coroutine[None, None, None], *, told_again: Callable[[], None] | None = None) -> None:
    """Does the work until it ends or a signal asks to stop; the work is cancelled and may clean up.

    Each further signal calls `told_again` (by default it changes nothing). Work that installs handlers of its own, like
    an HTTP server, keeps them.
    """
    working = asyncio.create_task(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            working.cancel()
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
