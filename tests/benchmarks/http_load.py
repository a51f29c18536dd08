"""Load on one HTTP route, by a client that costs next to nothing beside the server: plain sockets,
kept open.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec


class Target(msgspec.Struct, frozen=True):
    """One request, as bytes; every answer to it must be a 200."""

    host: str
    port: int
    request: bytes


def target(url: str, path: str, headers: dict[str, str]) -> Target:
    address = urlsplit(url)
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {address.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return Target(
        address.hostname or "", address.port or 80, "\r\n".join([*lines, "", ""]).encode()
    )


async def throughput(target: Target, connections: int, seconds: float) -> float:
    """Requests per second when each connection asks again as soon as it was answered."""
    answered, end = 0, time.monotonic() + seconds

    async def keep_asking() -> None:
        nonlocal answered
        async with connection(target) as ask:
            while time.monotonic() < end:
                await ask()
                answered += 1

    await asyncio.gather(*(keep_asking() for _ in range(connections)))
    return answered / seconds


async def latencies(target: Target, connections: int, rate: float, seconds: float) -> list[float]:
    """Seconds from when each request was due, at this constant rate, until its answer was there.

    A request that is due while all connections are busy waits for one, and that counts: a server
    that stands still is not asked less.
    """
    began, due = time.monotonic(), iter(range(int(rate * seconds)))
    measured: list[float] = []

    async def take_turns() -> None:
        async with connection(target) as ask:
            for number in due:
                at = began + number / rate
                await asyncio.sleep(max(0.0, at - time.monotonic()))
                await ask()
                measured.append(time.monotonic() - at)

    await asyncio.gather(*(take_turns() for _ in range(connections)))
    return measured


class Ask:
    """One open connection; to call it is to ask and to take the whole answer."""

    def __init__(
        self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._target, self._reader, self._writer = target, reader, writer

    async def __call__(self) -> None:
        self._writer.write(self._target.request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 "), head.decode("latin-1")
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)


@asynccontextmanager
async def connection(target: Target) -> AsyncIterator[Ask]:
    reader, writer = await asyncio.open_connection(target.host, target.port, limit=2**20)
    try:
        yield Ask(target, reader, writer)
    finally:
        writer.close()
