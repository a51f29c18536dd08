"""WebSockets without a network: what an application answers to the request for one."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Litestar

Header = tuple[str, str]


class Opened(msgspec.Struct, frozen=True):
    """The answer: status 101, or why not."""

    status: int
    headers: dict[str, str]
    body: Any = None
    subprotocol: str | None = None
    close_code: int | None = None


async def open_websocket(
    app: Litestar,
    *headers: Header,
    path: str = "/api/v1/executions/stream",
    query: str = "",
    subprotocols: Sequence[str] = (),
    sends_status: bool = True,
) -> Opened:
    """What becomes of the request; a client that is let in leaves at once. `sends_status`: the
    server can answer.
    """
    sent: list[Any] = []
    answered = asyncio.Event()
    incoming = iter([{"type": "websocket.connect"}])

    async def receive() -> Any:
        if (message := next(incoming, None)) is None:
            await answered.wait()
            return {"type": "websocket.disconnect", "code": 1000}
        return message

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] in (
            "websocket.accept",
            "websocket.close",
            "websocket.http.response.body",
        ):
            answered.set()

    scope: Any = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (b"host", b"api.test"),
            *((name.lower().encode(), value.encode()) for name, value in headers),
        ],
        "subprotocols": list(subprotocols),
        "state": {},
        "extensions": {"websocket.http.response": {}} if sends_status else {},
        "client": ("127.0.0.1", 1),
        "server": ("api.test", 80),
    }
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    return _opened(sent)


def _opened(sent: list[Any]) -> Opened:
    first = sent[0]
    match first["type"]:
        case "websocket.accept":
            return Opened(101, {}, subprotocol=first.get("subprotocol"))
        case "websocket.close":
            return Opened(0, {}, close_code=first["code"])
    headers = {name.decode(): value.decode() for name, value in first["headers"]}
    return Opened(first["status"], headers, json.loads(sent[1]["body"]))
