"""Figures of this machine, read from Linux's /proc (https://man7.org/linux/man-pages/man5/proc.5.html).

In a container with a limit of memory (cgroup 2), memory is the container's; processors and load are
the machine's.
"""

import asyncio
import os
import shutil
from pathlib import Path

from blocks.contracts.events import JsonObject

SAMPLE_SECONDS = 1.0
"""So long processors are watched."""

_CGROUP = Path("/sys/fs/cgroup")


async def measure_host(folder: Path) -> JsonObject:
    """`cpuUsage`, `memoryUsage` and `diskUsage` in percent, `loadAverage` of one minute, and
    `memoryBytes`, `diskFreeBytes`; the disk is that of the folder. Raises `OSError`.
    """
    before = _processor_times()
    await asyncio.sleep(SAMPLE_SECONDS)
    after = _processor_times()
    used, total = _memory()
    disk = shutil.disk_usage(_existing(folder))
    return {
        "cpuUsage": _busy_percent(before, after),
        "loadAverage": round(os.getloadavg()[0], 2),
        "memoryUsage": _percent(used, total),
        "memoryBytes": used,
        "diskUsage": _percent(disk.used, disk.used + disk.free),
        "diskFreeBytes": disk.free,
    }


def _processor_times() -> tuple[int, int]:
    """Idle and all, of all processors together, since the machine started."""
    line = Path("/proc/stat").read_text().partition("\n")[0]
    times = [int(word) for word in line.split()[1:9]]  # what follows is counted in `user` already
    return times[3] + times[4], sum(times)


def _busy_percent(before: tuple[int, int], after: tuple[int, int]) -> float:
    idle, passed = after[0] - before[0], after[1] - before[1]
    return _percent(passed - idle, passed)


def _memory() -> tuple[int, int]:
    """Bytes in use and in all."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    kilobytes = {
        name: int(value.split()[0]) for name, _, value in (x.partition(":") for x in lines)
    }
    total = kilobytes["MemTotal"] * 1024
    limit, current = _cgroup("memory.max"), _cgroup("memory.current")
    if limit and current and limit < total:
        return current, limit
    return total - kilobytes["MemAvailable"] * 1024, total


def _cgroup(name: str) -> int | None:
    """None: there is no such limit."""
    try:
        return int((_CGROUP / name).read_text())
    except (OSError, ValueError):
        return None


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it."""
    return next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 1) if whole > 0 else 0.0
