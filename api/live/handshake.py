"""The handshake of a WebSocket: credentials without headers, foreign pages, refusals.

Browsers let a page set no header of a WebSocket but the list of subprotocols. So the list may carry
what the headers would: `workflow-orchestrator.v1`, `bearer.<credential>`, `tenant.<id>`. A
credential in the address would be in every log on the way.
"""

import logging
from collections.abc import Iterable, Iterator
from time import perf_counter
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.access.authentication import REFUSED
from api.http.errors import ErrorEnvelope, answer_of, body_of, headers_of
from api.http.observer import loggable_path, request_id_of
from api.live.errors import OriginRefused
from blocks.settings import Server
from blocks.settings.server import origins_of

logger = logging.getLogger(__name__)

SUBPROTOCOL = "workflow-orchestrator.v1"
PATHS = ("/api/v1/executions/stream",)
_HEADERS = {"bearer.": (b"authorization", b"Bearer "), "tenant.": (b"x-tenant-id", b"")}


class Handshake:
    """Wraps the application; whatever is no WebSocket passes."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._origins = frozenset(origins_of(server))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:
            await self._open(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        with _Opening(scope, send) as opening:
            if scope["path"] not in PATHS:
                await opening.refuse(NotFoundException())
            elif not self._may_open(scope):
                await opening.refuse(OriginRefused())
            else:
                subprotocols: Any = scope.get("subprotocols", [])
                scope["headers"] = [*scope["headers"], *credentials_in(subprotocols)]
                await self._app(scope, receive, opening.send)

    def _may_open(self, scope: Scope) -> bool:
        """Programs name no origin. Browsers do, and no page can prevent it."""
        origins = _values(scope, b"origin")
        hosts = _values(scope, b"host")
        return all(
            origin in self._origins or urlsplit(origin).netloc in hosts for origin in origins
        )


def credentials_in(subprotocols: Iterable[str]) -> Iterator[tuple[bytes, bytes]]:
    """The headers in the list of subprotocols; one that the request has as well is then doubled."""
    for stated in subprotocols:
        for mark, (name, prefix) in _HEADERS.items():
            if stated.startswith(mark):
                yield name, prefix + stated.removeprefix(mark).encode("latin-1", "replace")


class _Opening:
    """One WebSocket, from the request for it to its end; leaves a line in the log as any request
    does.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope: Any = scope
        self._send = send
        self._began = perf_counter()
        self._status = 0
        self._request_id = request_id_of(scope)
        self._scope["state"]["request_id"] = self._request_id.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        path, request_id, seconds = (
            loggable_path(self._scope),
            self._request_id.decode(),
            perf_counter() - self._began,
        )
        logger.info(
            "WEBSOCKET %s answered %d, over after %.1f s (request %s)",
            path,
            self._status,
            seconds,
            request_id,
        )

    async def refuse(self, error: Exception) -> None:
        """Answers as over HTTP, where the server can; else the connection closes without one."""
        answer = answer_of(error)
        self._status = answer.status
        if "websocket.http.response" not in (self._scope.get("extensions") or {}):
            code, reason = 4000 + answer.status, answer.message
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
            return
        headers = {
            "content-type": "application/json",
            **headers_of(error),
            "x-request-id": self._request_id.decode(),
        }
        start: Any = {
            "type": "websocket.http.response.start",
            "status": answer.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        body: Any = {
            "type": "websocket.http.response.body",
            "body": msgspec.json.encode(ErrorEnvelope(error=body_of(error))),
        }
        await self._send(start)
        await self._send(body)

    async def send(self, message: Message) -> None:
        """As the application's `send`; what it closes before it was open is refused."""
        if message["type"] == "websocket.accept":
            self._status = 101
        if message["type"] == "websocket.close" and not self._status:
            await self.refuse(
                self._scope["state"].get(REFUSED) or Exception("closed before it was open")
            )
        else:
            await self._send(message)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
