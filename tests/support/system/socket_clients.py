"""The npm `socket.io-client`, as pages of the platform use it, each in a process of its own."""

import asyncio
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.support.waiting import eventually

HERE = Path(__file__).parents[1] / "socketio_client"


class Received(msgspec.Struct, frozen=True):
    name: str
    data: Any = None


class SocketClient:
    """`received` holds everything that has happened to it, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.received: list[Received] = []

    def emit(self, name: str, data: Any = None) -> None:
        self._command(emit=name, data=data)

    async def takes(self) -> None:
        """Until the process is gone, what it writes is noted."""
        assert self.process.stdout
        async for line in self.process.stdout:
            self.received.append(msgspec.json.decode(line, type=Received))

    def of(self, name: str) -> list[Any]:
        """The payloads of this event."""
        return [one.data for one in self.received if one.name == name]

    def has(self, name: str, count: int = 1) -> Callable[[], Awaitable[bool]]:
        """For `eventually`."""

        async def has_received() -> bool:
            return len(self.of(name)) >= count

        return has_received

    async def gets(self, name: str, count: int = 1) -> list[Any]:
        """The payloads of this event once there are so many."""
        try:
            await eventually(self.has(name, count), within_seconds=20)
        except AssertionError:
            names = [one.name for one in self.received]
            raise AssertionError(f"no {count} {name}: {names}") from None
        return self.of(name)

    def event_ids(self, name: str) -> list[str]:
        return [data["eventId"] for data in self.of(name)]

    def _command(self, **command: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command).encode() + b"\n")


@asynccontextmanager
async def a_socket_client(port: int, **options: Any) -> AsyncIterator[SocketClient]:
    """It is connected; at the end its process is gone."""
    command = (installed_node(), str(HERE / "follow.js"), f"http://127.0.0.1:{port}")
    process = await asyncio.create_subprocess_exec(
        *command, json.dumps(options), stdin=PIPE, stdout=PIPE, limit=2**24
    )
    client = SocketClient(process)
    taking = asyncio.create_task(client.takes())
    try:
        await client.gets("connect")
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await taking


def installed_node() -> str:
    """The path of `node`, once the client's packages are there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "the Socket.IO client needs Node.js 20 or newer: install `nodejs` and `npm`"
    if not (HERE / "node_modules" / "socket.io-client").is_dir():
        assert npm, "the Socket.IO client's packages are missing: install `npm`"
        subprocess.run(
            [npm, "ci", "--prefix", HERE, "--no-audit", "--no-fund", "--ignore-scripts"], check=True
        )
    return node
