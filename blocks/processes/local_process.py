"""Whether a process of this machine still runs.

The operating system knows at once that a process was killed; its heartbeat shows it only by staying
away. Linux alone is asked, through `/proc`: elsewhere, and of processes in another container or on
another machine, nothing is known.
"""

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_DEAD_STATES = "ZX"
"""A killed process that its parent has not waited for yet is a zombie."""


def this_process() -> str | None:
    """A name that no other process has, on any machine, now or after a restart; None if the system
    cannot state one.
    """
    return _name(os.getpid())


def has_ended(process: str) -> bool:
    """Whether `process`, as it named itself by `this_process`, is known to have ended."""
    here = _pid_namespace()
    namespace, _, number = process.rpartition("/")[0].rpartition("/")
    return here is not None and here == namespace and _name(int(number)) != process


def _name(pid: int) -> str | None:
    """Numbers are used again; the number and the time of its start belong to one process."""
    namespace = _pid_namespace()
    try:
        # The name of the command stands in brackets, and may hold any character.
        state, *fields = (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    started_ticks = fields[18]
    return f"{namespace}/{pid}/{started_ticks}" if namespace and state not in _DEAD_STATES else None


@cache
def _pid_namespace() -> str | None:
    """Where process numbers mean the same: one container, or one machine, until it is restarted."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None
