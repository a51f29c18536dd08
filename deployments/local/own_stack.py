"""A stack for the length of one command."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from blocks.observability.plain_text import plain
from blocks.processes.private_files import private_folder
from blocks.settings import Settings
from deployments.local.child_process import ChildProcess
from deployments.local.stack import EVERYTHING_RUNS
from deployments.local.supervisor import ServiceFailed
from deployments.local.terminal import say_plainly

STOP_LIMIT_SECONDS = 90.0
"""More than the stack takes to stop all its parts one after the other."""


@asynccontextmanager
async def own_stack(settings: Settings, *options: str) -> AsyncIterator[None]:
    """`orchestrator up` runs with these options, and is ready, while the context lasts. Raises
    `ServiceFailed` if it does not start.
    """
    log_file = Path(settings.data_dir) / "logs" / "stack.log"
    private_folder(log_file.parent)
    runs = asyncio.Event()

    def show(line: str) -> None:
        if not runs.is_set() and "  ready  " in line:
            say_plainly(plain(line))
        if line.startswith(EVERYTHING_RUNS):
            runs.set()

    command = (sys.executable, "-m", "deployments.cli", "up", *options)
    stack = ChildProcess("stack", command, environment={}, log_file=log_file, on_line=show)
    await stack.start()
    try:
        await _either(stack, runs)
        yield
    finally:
        say_plainly("\nStopping the stack …")
        await stack.stop(STOP_LIMIT_SECONDS)


async def _either(stack: ChildProcess, runs: asyncio.Event) -> None:
    """The stack runs, or `ServiceFailed` with its last line."""
    ended, running = asyncio.create_task(stack.wait()), asyncio.create_task(runs.wait())
    try:
        await asyncio.wait({ended, running}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
        running.cancel()
    if not runs.is_set():
        reason = (
            stack.last_lines[-1].removeprefix("error: ")
            if stack.last_lines
            else "it printed nothing"
        )
        raise ServiceFailed(f"the stack did not start: {reason}")
