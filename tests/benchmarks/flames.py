"""Flame graphs of processes at work: of each, the stack that holds its interpreter's lock, so that
what waits is not in them.
"""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.benchmarks.processes import Part

_PY_SPY = Path(sys.executable).with_name("py-spy")
_SAMPLES_PER_SECOND = "50"
"""More of them, of several processes at once, cost more than what they measure."""


@asynccontextmanager
async def flame_graphs(folder: Path, name: str, parts: Sequence[Part]) -> AsyncIterator[None]:
    """`PART-of-NAME.svg` of each part, of the time that this lasts."""
    words = name.replace(" ", "-")
    files = {part: folder / f"{part.name}-of-{words}.svg" for part in parts}
    recording = [_record(file, part.pid) for part, file in files.items()]
    try:
        yield
    finally:
        for recorder in recording:
            recorder.send_signal(signal.SIGINT)
        await asyncio.gather(*(asyncio.to_thread(recorder.wait, 60) for recorder in recording))
        for part, file in files.items():
            _title(file, f"{part.name}: {name}")


def _title(file: Path, title: str) -> None:
    """In place of py-spy's command, which has paths of this machine."""
    drawn = re.sub(r"<!--.*?-->", "", file.read_text(), flags=re.DOTALL)
    file.write_text(re.sub(r">[^<>]*py-spy record[^<>]*<", f">{title}<", drawn))


def _record(file: Path, pid: int) -> "subprocess.Popen[bytes]":
    file.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(_PY_SPY),
        "record",
        "--gil",
        "--format",
        "flamegraph",
        "--rate",
        _SAMPLES_PER_SECOND,
    ]
    return subprocess.Popen(
        [*command, "--output", str(file), "--pid", str(pid)], stdout=subprocess.DEVNULL
    )
