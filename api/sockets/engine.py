"""The Socket.IO server itself: python-socketio, without what it logs and with limits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import socketio
from msgspec.structs import replace

from api.sockets import metrics
from api.sockets.connections import Connections
from api.sockets.payloads import PACKET_BYTES_MAX
from api.sockets.traffic import is_binary
from blocks.processes.bounded_http import OpenConnections, limits_of
from blocks.settings import Live
from blocks.settings.sections import Server
from blocks.settings.server import origins_of

Handler = Callable[..., Awaitable[Any]]

QUEUED_MAX = 2_000
"""Packets that may wait in a connection, answers of the protocol itself among them."""

# It logs every packet, tokens included, and whatever nonsense a client sends as an error.
_quiet = logging.getLogger("socketio.quiet")
_quiet.setLevel(logging.CRITICAL + 1)
_quiet.propagate = False


def allows_origin(origins: frozenset[str], origin: str | None, environ: Mapping[str, Any]) -> bool:
    """Pages of the operator's origins, and our own; programs name none."""
    return (
        origin is None or origin in origins or urlsplit(origin).netloc == environ.get("HTTP_HOST")
    )


class Engine:
    """Lives as long as the process; used on its event loop only."""

    def __init__(self, live: Live, server: Server) -> None:
        origins = frozenset(origins_of(server))
        self._frozen_seconds = live.frozen_seconds
        self._server = socketio.AsyncServer(
            async_mode="asgi",
            async_handlers=False,  # what one client sends is handled in order
            cors_allowed_origins=lambda origin, environ: allows_origin(origins, origin, environ),
            cors_credentials=False,
            ping_interval=live.heartbeat_seconds,
            ping_timeout=live.frozen_seconds,
            max_http_buffer_size=PACKET_BYTES_MAX,
            http_compression=False,
            logger=_quiet,
            engineio_logger=_quiet,
        )
        # As of HTTP, whose count an upgrade leaves.
        unknown = OpenConnections(replace(limits_of(server), connections_max=live.clients_max))
        self.connections = Connections(live.clients_max, server.head_seconds, self.cut, unknown)
        self._watch_connections()

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """An ASGI request for the endpoint's path."""
        # A client that leaves before its request was read comes without a method.
        with suppress(KeyError):
            await self._server.handle_request(scope, receive, send)

    def on(self, event: str, handler: Handler) -> None:
        """The handler gets the client's id, and what the client has sent."""
        self._server.on(event, handler)

    def wire(self, sid: str) -> "ClientWire":
        return ClientWire(self, sid)

    def id_under(self, sid: str) -> str:
        """The Engine.IO connection of this client."""
        return str(self._server.manager.eio_sid_from_sid(sid, "/"))

    async def emit(self, sid: str, name: str, data: Any) -> None:
        await self._server.emit(name, data, to=sid)

    async def drained(self, eio_sid: str) -> None:
        """Raises `TimeoutError` if the client takes nothing for too long."""
        if (socket := self._server.eio.sockets.get(eio_sid)) is not None:
            async with asyncio.timeout(self._frozen_seconds):
                await socket.queue.join()

    async def close(self) -> None:
        """Every client is disconnected, and connects elsewhere."""
        self.connections.is_closed = True
        for eio_sid in self.connections.open:
            await self.cut(eio_sid)
        await self._server.eio.shutdown()

    async def cut(self, eio_sid: str) -> None:
        """The connection ends; what was not sent is dropped."""
        socket = self._server.eio.sockets.get(eio_sid)
        if socket is None:
            return
        while not socket.queue.empty():
            socket.queue.get_nowait()
            socket.queue.task_done()
        # At the level of Engine.IO: a client reconnects by itself, as it would not after a
        # disconnect of Socket.IO.
        await socket.close(wait=False)
        socket.queue.put_nowait(None)  # its writer ends, and closes the WebSocket

    def _watch_connections(self) -> None:
        eio = self._server.eio
        connected, disconnected = eio.handlers["connect"], eio.handlers["disconnect"]
        received = eio.handlers["message"]

        async def connect(eio_sid: str, environ: dict[str, Any]) -> Any:
            address = (environ["asgi.scope"].get("client") or ("",))[0]
            if (refusal := self.connections.enter(eio_sid, address)) is not None:
                return refusal
            return await connected(eio_sid, environ)

        async def disconnect(eio_sid: str, reason: str) -> None:
            self.connections.leave(eio_sid)
            await disconnected(eio_sid, reason)

        async def message(eio_sid: str, packet: Any) -> Any:
            if (reason := self._refusal(eio_sid, packet)) is None:
                return await received(eio_sid, packet)
            metrics.CUT.labels(reason).inc()
            return await self.cut(eio_sid)

        eio.on("connect", connect)
        eio.on("message", message)
        eio.on("disconnect", disconnect)

    def _refusal(self, eio_sid: str, packet: Any) -> str | None:
        """Why the connection of this packet ends, before anything is made of it; None: it goes on.

        Here, and not per event: the library answers much by itself, and a client that reads nothing
        would have it keep all answers.
        """
        traffic = self.connections.traffic(eio_sid)
        socket = self._server.eio.sockets.get(eio_sid)
        if traffic is None or socket is None:
            return "gone"
        if is_binary(packet):
            return "binary"
        if not traffic.takes():
            return "flood"
        return "slow" if socket.queue.qsize() >= QUEUED_MAX else None


class ClientWire:
    """The connection under one client."""

    def __init__(self, engine: Engine, sid: str) -> None:
        self._engine, self._sid = engine, sid
        self._eio_sid = engine.id_under(sid)

    async def send(self, name: str, data: Any) -> None:
        await self._engine.emit(self._sid, name, data)

    async def drained(self) -> None:
        await self._engine.drained(self._eio_sid)

    async def cut(self) -> None:
        await self._engine.cut(self._eio_sid)
