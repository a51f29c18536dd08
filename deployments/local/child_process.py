"""A child process that writes a log file, is stopped politely, and never outlives its parent."""

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

_PR_SET_PDEATHSIG = 1
_LINE_MAX = 1024 * 1024
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ChildProcess:
    """One run of a command, from `start` to the end of the process; start it once.

    It leads a process group of its own, so that a Ctrl-C in the terminal reaches only us. On Linux
    the kernel kills it when this process dies for any reason; elsewhere a parent killed with
    SIGKILL leaves its children behind.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log_file: Path,
        on_line: Callable[[str], None],
        user: str | None = None,
    ) -> None:
        """`user`: who it runs as, and with which group of the same name; None: as this process."""
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=12)
        self._command = command
        self._environment = environment
        self._log_file = log_file
        self._on_line = on_line
        self._user = user
        self._process: Process
        self._reading: asyncio.Task[None]

    async def start(self) -> None:
        """The process runs. Raises `OSError` if it cannot be started."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env={**os.environ, **self._environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            limit=_LINE_MAX,
            start_new_session=True,
            **as_user(self._user),
            preexec_fn=_die_with(os.getpid()),
        )
        self._reading = asyncio.create_task(self._read(), name=f"log-{self.name}")

    async def wait(self) -> int:
        """The exit code, once the process has ended and its output is in the log; -N
        for signal N.
        """
        code = await self._process.wait()
        # A grandchild may hold the pipe open: its output is not worth waiting for.
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.shield(self._reading)
        return code

    async def stop(self, grace_seconds: float) -> bool:
        """The process has ended: by itself after SIGTERM (True), or killed when the grace was over
        (False).
        """
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
            return False
        finally:
            self.kill()  # what is left of its group
            await self.wait()
        return True

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        with self._log_file.open("ab") as log:
            while line := await _next_line(self._process.stdout):
                self._keep(line, log)

    def _keep(self, line: bytes, log: BinaryIO) -> None:
        log.write(line)
        log.flush()
        text = line.decode(errors="replace").rstrip()
        if text:
            self.last_lines.append(text)
            self._on_line(text)


def as_user(user: str | None) -> dict[str, Any]:
    """How a child process is started as this user. Only root may."""
    return {"user": user, "group": user, "extra_groups": []} if user else {}


async def _next_line(stream: asyncio.StreamReader) -> bytes:
    """The next line, or as much of an endless one as fits; empty at the end."""
    try:
        return await stream.readline()
    except ValueError:
        return b"(a line of more than 1 MiB was dropped)\n"


def _die_with(parent: int) -> Callable[[], None]:
    """What the child does before it becomes the command: ask the kernel to be killed when the
    parent dies.
    """

    def ask() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before we could ask
                os._exit(1)

    return ask
