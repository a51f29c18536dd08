"""Processes that are measured: their processor time and memory, as Linux counts them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Part:
    """One process of the measured system, or one that serves it; unless another program is named,
    `python -m MODULE ARGUMENTS`.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        folder: Path,
        *,
        program: tuple[str, ...] = (sys.executable, "-m"),
    ) -> None:
        self.name = name
        self._command = (*program, *arguments)
        self._environment = environment
        self._log_file = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process, f"{self.name} was never started"
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """The process is gone: politely within 15 s, or else killed."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=15)
            self._process.kill()
            self._process.wait()


def processor_seconds(pid: int) -> float:
    """What this process, its children and theirs have used so far, those that have
    ended included.
    """
    return sum(own_seconds(member) for member in family(pid))


def own_seconds(pid: int) -> float:
    """What this process alone has used so far, and those of its children that have ended."""
    try:
        # The name, in brackets, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / _TICKS


def machine_seconds() -> float:
    """Processor time that all processes of this machine have used, and what its host
    took from it.
    """
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = (
        int(field) for field in fields[:8]
    )
    return (user + nice + system + interrupts + soft_interrupts + stolen) / _TICKS


def memory_bytes(pid: int) -> int:
    """Resident memory of this process alone."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def family(pid: int) -> list[int]:
    """The process and all its descendants that live now."""
    found = [pid]
    for member in found:
        for tasks in Path(f"/proc/{member}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in tasks.read_text().split()]
    return found
