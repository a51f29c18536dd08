"""A TCP proxy that stands between a client and one server, and does to their traffic what networks
do.

It runs on a thread of its own, so that blocking and asyncio tests, and processes of ours, can use
it; every method may be called from anywhere, takes effect at once, and on connections that exist as
well as on those to come.
"""

import asyncio
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

from tests.support.servers.own_loop import OwnLoop

Direction = Literal["to_server", "to_client"]
BOTH: tuple[Direction, ...] = ("to_server", "to_client")

BASIC_ACK = b"\x00\x00\x00\x0d\x00\x3c\x00\x50"
"""In AMQP 0-9-1: a method frame's length, class 60, method 80. From the broker, that is a
publisher's confirm.
"""

_CHUNK = 64 * 1024
_PATTERN_MAX = 256


class TcpProxy:
    """Before the server of `url`, which `self.url` replaces; lives as long as its `with`. It begins
    by passing all.
    """

    def __init__(self, url: str, *, host: str = "127.0.0.1") -> None:
        self._server = urlsplit(url)
        self._host = host
        self._loop = OwnLoop("tcp-proxy")
        self._traffic = {direction: _Traffic() for direction in BOTH}
        self._connections: set[_Connection] = set()
        self._is_cut = False
        self._listening: asyncio.Server
        self.port: int

    @property
    def url(self) -> str:
        """The server's URL, through this proxy."""
        host = f"{self._server.netloc.rpartition('@')[0]}@" if "@" in self._server.netloc else ""
        return urlunsplit(self._server._replace(netloc=f"{host}{self._host}:{self.port}"))

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    @property
    def traps_sprung(self) -> int:
        """How many times what `cut_at` and `cut_after` waited for has come."""
        return sum(traffic.sprung for traffic in self._traffic.values())

    def __enter__(self) -> Self:
        self._loop.start()
        self._loop.run(self._listen())
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._loop.call(self._listening.close)
        self._loop.call(self._reset_all)
        self._loop.stop()

    # --- what it does to traffic ------------------------------------------------------------------

    def pass_all(self) -> None:
        """Everything is well again. What was held back goes on its way, as after a
        repaired route.
        """

        def mend() -> None:
            self._is_cut = False
            for traffic in self._traffic.values():
                traffic.mend()

        self._loop.call(mend)

    def cut(self) -> None:
        """Every connection is reset, and so is each new one, until `pass_all`."""

        def cut() -> None:
            self._is_cut = True
            self._reset_all()

        self._loop.call(cut)

    def reset(self) -> None:
        """Every connection is reset once; new ones pass."""
        self._loop.call(self._reset_all)

    def forget(self) -> None:
        """The connections that exist carry nothing any more, and neither side hears of it; new ones
        pass. So does a proxy that has lost its way to the server: it still acknowledges.
        """

        def forget() -> None:
            for connection in self._connections:
                connection.is_forgotten = True

        self._loop.call(forget)

    def blackhole(self, *directions: Direction) -> None:
        """Nothing gets through, not even an end: to both sides the link looks open (half-open)
        until `pass_all`.
        """

        def close() -> None:
            for direction in directions or BOTH:
                self._traffic[direction].open.clear()

        self._loop.call(close)

    def delay(self, seconds: float, *directions: Direction) -> None:
        """Each chunk is held up for so long, one after the other: a slow network, or
        a slow server.
        """

        def slow() -> None:
            for direction in directions or BOTH:
                self._traffic[direction].delay_seconds = seconds

        self._loop.call(slow)

    def cut_at(self, pattern: bytes, direction: Direction = "to_client") -> None:
        """The first connection that carries these bytes is reset just before them; from then on all
        pass again.
        """
        self._loop.call(lambda: self._traffic[direction].lay_trap(pattern=pattern))

    def cut_after(self, count: int, direction: Direction = "to_client") -> None:
        """A connection is reset once so many bytes (of all connections) have passed; from then on
        all pass again.
        """
        self._loop.call(lambda: self._traffic[direction].lay_trap(count=count))

    # --- on the proxy's own thread ----------------------------------------------------------------

    async def _listen(self) -> None:
        self._listening = await asyncio.start_server(self._accept, self._host, 0)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            return writer.transport.abort()
        try:
            server = await asyncio.open_connection(self._server.hostname, self._server.port)
        except OSError:
            return writer.transport.abort()
        connection = _Connection((reader, writer), server, self._traffic)
        self._connections.add(connection)
        try:
            await connection.carry()
        finally:
            self._connections.remove(connection)

    def _reset_all(self) -> None:
        for connection in list(self._connections):
            connection.reset()


class _Traffic:
    """What happens to one direction; belongs to the proxy's thread."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.delay_seconds = 0.0
        self.sprung = 0
        self._pattern = b""
        self._count: int | None = None

    def mend(self) -> None:
        self.open.set()
        self.delay_seconds = 0.0
        self._pattern, self._count = b"", None

    def lay_trap(self, pattern: bytes = b"", count: int | None = None) -> None:
        self._pattern, self._count = pattern, count

    def let_through(self, chunk: bytes, before: bytes) -> int | None:
        """How much of the chunk may still go before the cut; None if there is none. `before` went
        just before it.
        """
        if self._pattern:
            begun = before[1 - len(self._pattern) :] if len(self._pattern) > 1 else b""
            at = (begun + chunk).find(self._pattern)
            return None if at < 0 else self._spring(max(0, at - len(begun)))
        if self._count is None:
            return None
        if len(chunk) >= self._count:
            return self._spring(self._count)
        self._count -= len(chunk)
        return None

    def _spring(self, upto: int) -> int:
        self.sprung += 1
        self._pattern, self._count = b"", None
        return upto


class _Connection:
    """One client's connection and its twin to the server."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        traffic: dict[Direction, _Traffic],
    ) -> None:
        self._client = client
        self._server = server
        self._traffic = traffic
        self._carrying: asyncio.Task[None] | None = None
        self.is_forgotten = False

    async def carry(self) -> None:
        """Both sides have ended, or one of them was reset."""
        self._carrying = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    self._pump(self._client[0], self._server[1], self._traffic["to_server"])
                )
                group.create_task(
                    self._pump(self._server[0], self._client[1], self._traffic["to_client"])
                )
        except* OSError:
            pass
        finally:
            for _, writer in (self._client, self._server):
                writer.transport.abort()

    def reset(self) -> None:
        if self._carrying:
            self._carrying.cancel()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, traffic: _Traffic
    ) -> None:
        before = b""
        while chunk := await self._next(source, traffic):
            upto = traffic.let_through(chunk, before)
            target.write(chunk if upto is None else chunk[:upto])
            await target.drain()
            if upto is not None:
                # what was let through leaves before the reset throws buffers away
                await asyncio.sleep(0.05)
                self.reset()
            before = chunk[-_PATTERN_MAX:]
        if target.can_write_eof():
            target.write_eof()

    async def _next(self, source: asyncio.StreamReader, traffic: _Traffic) -> bytes:
        try:
            chunk = await _read(source, traffic)
        except OSError:
            if not self.is_forgotten:
                raise
            chunk = b""
        if self.is_forgotten:
            await asyncio.get_running_loop().create_future()
        return chunk


async def _read(source: asyncio.StreamReader, traffic: _Traffic) -> bytes:
    """The next bytes, or their end, as soon as this direction lets them through. Raises what became
    of the link.
    """
    try:
        chunk: bytes | OSError = await source.read(_CHUNK)
    except OSError as error:
        chunk = error
    await traffic.open.wait()
    if traffic.delay_seconds:
        await asyncio.sleep(traffic.delay_seconds)
    if isinstance(chunk, OSError):
        raise chunk
    return chunk
