"""A dump of what a hanging process waits for, on SIGUSR1; the process goes on.

    kill -USR1 PID

The log then holds each task of the event loop with the lines at which it waits, and stderr the
stacks of all threads, which help when the event loop itself is blocked.
"""

import asyncio
import faulthandler
import logging
import signal
from collections.abc import Iterator
from typing import Any

log = logging.getLogger(__name__)


def dump_on_signal() -> None:
    """From now on, SIGUSR1 writes tasks and threads; to be called inside the event loop."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, dump_tasks)
    faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)


def dump_tasks() -> None:
    """One line in the log for each task that has not ended: its name, and where it waits, outermost
    first.
    """
    for task in asyncio.all_tasks():
        where = " > ".join(_lines(task.get_coro())) or "it has not begun"
        cancelled = f", cancelled {task.cancelling()} times" if task.cancelling() else ""
        log.warning("task %s%s: %s", task.get_name(), cancelled, where)


def _lines(waiting: Any) -> Iterator[str]:
    """`Task.get_stack` knows only the outermost frame of a coroutine; what it awaits is followed
    here.
    """
    while waiting is not None:
        frame = next((found for name in _FRAMES if (found := getattr(waiting, name, None))), None)
        if frame is not None:
            code = frame.f_code
            yield f"{'/'.join(code.co_filename.split('/')[-2:])}:{frame.f_lineno} {code.co_name}"
        elif not any(hasattr(waiting, name) for name in _FRAMES):
            yield f"{waiting!r:.100}"
        waiting = next(
            (found for name in _AWAITED if (found := getattr(waiting, name, None))), None
        )


_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")
