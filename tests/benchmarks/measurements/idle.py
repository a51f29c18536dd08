"""Idle: what a whole local stack uses while there is nothing to do."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from deployments.local.stack import EVERYTHING_RUNS
from tests.benchmarks.options import Options
from tests.benchmarks.processes import Part, family, memory_bytes, own_seconds
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Stage
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually

_START_SECONDS = 300.0
_SETTLE_SECONDS, _WATCH_SECONDS = 30.0, 60.0


async def measure(stage: Stage, options: Options) -> Report:
    """`orchestrator up`, everything embedded, half a minute after it said that everything runs."""
    settle, watch = (1.0, 2.0) if options.quick else (_SETTLE_SECONDS, _WATCH_SECONDS)
    stack = _stack(stage.folder("idle"))
    stack.start()
    try:
        await eventually(lambda: _says_so(stack), within_seconds=_START_SECONDS)
        await asyncio.sleep(settle)
        members = {_name(pid): pid for pid in family(stack.pid)}
        before = _processor(members)
        await asyncio.sleep(watch)
        after = _processor(members)
        memory = {name: memory_bytes(pid) / 1e6 for name, pid in members.items()}
    finally:
        stack.stop()
    cores = {name: (after[name] - before[name]) / watch for name in members}
    samples = [
        {"process": name, "cores": cores[name], "memory_mb": memory[name]} for name in members
    ]
    most = (None, None) if options.quick else (0.03, 450)
    figures = [
        Figure("idle local stack: processor", sum(cores.values()), "cores", at_most=most[0]),
        Figure("idle local stack: resident memory", sum(memory.values()), "MB", at_most=most[1]),
    ]
    return Report(
        "idle", "a whole local stack with nothing to do", {"seconds": watch}, figures, samples
    )


def _stack(folder: Path) -> Part:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
    }
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    environment = inherited | {
        "ORCHESTRATOR_DATA_DIR": str(folder / "data"),
        "PORT": str(free_port()),
        "PREFECT_SERVER_PORT": str(free_port()),
        "STARTUP_WAIT_SECONDS": str(int(_START_SECONDS)),
    }
    return Part("up", ("deployments.cli", "up"), environment, folder)


async def _says_so(stack: Part) -> bool:
    assert stack.is_running, stack.log
    return EVERYTHING_RUNS in stack.log


def _processor(members: Mapping[str, int]) -> dict[str, float]:
    return {name: own_seconds(pid) for name, pid in members.items()}


def _name(pid: int) -> str:
    """What it is called in the stack, which is the last word of its command; Prefect's is start."""
    command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    return "prefect" if "server" in command else command[-1]
