"""A thread that logs what blocks the event loop, and with it all runs of the worker."""

import asyncio
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from logging import Logger
from types import FrameType, TracebackType
from typing import Self

_LIBRARIES = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))


class LoopWatchdog:
    """Logs the flow run and code line that block the event loop for `limit_seconds`, once each.

    Lives as long as its `with`, which must be entered on the loop's thread. Raises nothing. Code
    that holds the GIL (some C extensions) stops this thread, too, and is not seen.
    """

    def __init__(self, logger: Logger, *, limit_seconds: float = 1.0) -> None:
        self._logger = logger
        self._limit = limit_seconds
        self._ticked_at = time.monotonic()
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._loop_thread: int
        self._next_tick: asyncio.TimerHandle

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._tick()
        threading.Thread(target=self._watch, name="loop-watchdog", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._next_tick.cancel()

    def _tick(self) -> None:
        self._ticked_at = time.monotonic()
        self._next_tick = self._loop.call_later(self._limit / 4, self._tick)

    def _watch(self) -> None:
        told_of = 0.0
        while not self._stopping.is_set():
            asleep_since = time.monotonic()
            if self._stopping.wait(self._limit / 4):
                return
            # The whole process was stopped (a debugger, a sleeping laptop): the loop is not to
            # blame.
            we_slept_too = time.monotonic() - asleep_since > self._limit
            tick = self._ticked_at
            if time.monotonic() - tick > self._limit and tick != told_of and not we_slept_too:
                told_of = tick
                self._log(time.monotonic() - tick)

    def _log(self, seconds: float) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        if frame is None:
            return
        self._logger.warning(
            "The event loop has stood still for %.1f s in %s: %s",
            seconds,
            _flow_run_of(frame),
            _place_of(frame),
        )


def _place_of(innermost: FrameType) -> str:
    """The innermost line of code that is not a library's."""
    ours = (f for f in _outward(innermost) if not f.f_code.co_filename.startswith(_LIBRARIES))
    frame = next(ours, innermost)
    return f"{frame.f_code.co_name} ({frame.f_code.co_filename}:{frame.f_lineno})"


def _flow_run_of(innermost: FrameType) -> str:
    """Prefect's engines are on the stack of the code they run, as `self` or `engine`, and know the
    run.
    """
    for frame in _outward(innermost):
        for name in ("self", "engine"):
            engine = frame.f_locals.get(name)
            if flow_run := getattr(engine, "flow_run", None):
                return f"flow run {flow_run.name!r} ({flow_run.id})"
            if flow_run_id := getattr(getattr(engine, "task_run", None), "flow_run_id", None):
                return f"flow run {flow_run_id}"
    return "no flow run"


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame:
        yield frame
        frame = frame.f_back
