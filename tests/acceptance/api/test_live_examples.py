"""The programs that docs/live.md shows, run as they stand there, against a real API."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.api.credentials import a_token
from tests.support.api.live import step_events
from tests.support.factories import A_TENANT
from tests.support.system.live_system import PATH, LiveSystem, live_system
from tests.support.waiting import eventually

PAGE = Path(__file__).parents[3] / "docs" / "live.md"


@pytest.fixture(scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveSystem]:
    async with live_system(tmp_path_factory.mktemp("live"), 1) as system:
        yield system


async def test_the_python_program_prints_each_event(system: LiveSystem) -> None:
    url = f"http://127.0.0.1:{system.places[0].port}{PATH}"
    given = f"url, key, tenant = {url!r}, {a_token('viewer')!r}, {A_TENANT!r}\n"
    async with lines_of(sys.executable, "-u", "-c", given + shown("python")) as lines:
        await prints_all_events(system, lines)


async def test_the_function_for_pages_shows_each_event(system: LiveSystem) -> None:
    program = f"""
        const readAgain = () => {{}};
        const show = (message) => console.log(message.event, JSON.stringify(message.data));
        {shown("js").replace("wss://", "ws://")}
        follow("127.0.0.1:{system.places[0].port}", {a_token("viewer")!r}, {A_TENANT!r});
    """
    async with lines_of("node", "--experimental-websocket", "-e", program) as lines:
        await prints_all_events(system, lines)


def shown(language: str) -> str:
    """The only program in this language that the page has."""
    [program] = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    return str(program)


@asynccontextmanager
async def lines_of(*command: str) -> AsyncIterator[list[str]]:
    """What the program has printed so far; at the end it is gone."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert process.stdout
    lines: list[str] = []

    async def read(stream: asyncio.StreamReader) -> None:
        async for line in stream:
            lines.append(line.decode())

    reading = asyncio.create_task(read(process.stdout))
    try:
        yield lines
    finally:
        process.kill()
        await process.wait()
        await reading


async def prints_all_events(system: LiveSystem, lines: list[str]) -> None:
    """Once the program follows, it prints every event that is published, in order."""

    async def follows() -> bool:
        await system.bus.publish(*step_events(1))
        return bool(lines)

    await eventually(follows, within_seconds=30, every_seconds=0.5)
    sent = step_events(20)
    await system.bus.publish(*sent)

    async def printed() -> bool:
        last = lines[-len(sent) :]
        return len(last) == len(sent) and all(
            message.id in line for message, line in zip(sent, last, strict=True)
        )

    await eventually(printed)
