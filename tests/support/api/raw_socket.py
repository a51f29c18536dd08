"""A WebSocket of the Socket.IO endpoint, packet by packet: no network, no client library."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api.sockets.endpoint import PATH, Sockets
from tests.support.waiting import eventually


class RawSocket:
    """What was sent to it is in `got`; one that does not read takes nothing after the handshake."""

    def __init__(self, reads: bool) -> None:
        self.got: list[str] = []
        self.is_cut = False
        self._reads = reads
        self._has_left = asyncio.Event()
        self._sending: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sending.put_nowait({"type": "websocket.connect"})

    def sends(self, packet: str | bytes) -> None:
        """`packet`: of Engine.IO, whose type is its first character."""
        kind = "text" if isinstance(packet, str) else "bytes"
        self._sending.put_nowait({"type": "websocket.receive", kind: packet})

    def emits(self, name: str, *data: object, ack: int | str = "") -> None:
        self.sends(f"42{ack}{json.dumps([name, *data])}")

    def leaves(self) -> None:
        self._has_left.set()
        self._sending.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def receive(self) -> dict[str, Any]:
        return await self._sending.get()

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close":
            self.is_cut = True
            self.leaves()
        elif message["type"] == "websocket.send":
            if not self._reads and len(self.got) >= 2:
                await self._has_left.wait()
            self.got.append(message.get("text") or "")

    async def gets(self, part: str) -> str:
        """The first packet with this text in it."""

        async def found() -> str | None:
            return next((one for one in self.got if part in one), None)

        packet = await eventually(found)
        assert packet
        return packet


@asynccontextmanager
async def raw_socket(sockets: Sockets, *, reads: bool = True) -> AsyncIterator[RawSocket]:
    """Connected, and not authenticated."""
    socket = RawSocket(reads)
    scope = {
        "type": "websocket",
        "path": PATH,
        "query_string": b"EIO=4&transport=websocket",
        "headers": [(b"host", b"test"), (b"connection", b"upgrade"), (b"upgrade", b"websocket")],
        "client": ("10.0.0.1", 1),
        "state": {},
    }
    serving = asyncio.create_task(sockets(scope, socket.receive, socket.send))
    socket.sends("40")
    await socket.gets("40{")
    yield socket
    socket.leaves()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
