"""`HEAD`: what `GET` would answer, status and headers, without the body (RFC 9110, 9.3.2)."""

import asyncio
from contextlib import suppress
from typing import Any

from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Wraps the application: to its routes, each HEAD is a GET whose client leaves when it has the
    headers.

    So a route that answers without end ends at once, and no route has to be written twice.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != HttpMethod.HEAD:
            return await self._app(scope, receive, send)
        asked: Any = {**scope, "method": HttpMethod.GET.value}
        started = asyncio.Event()

        async def receive_until_started() -> Any:
            return await _first(receive, started)

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                started.set()

        try:
            await self._app(asked, receive_until_started, send_head)
        finally:
            # By its template the observer counts the request, and knows which paths may not be
            # logged.
            if "path_template" in asked:
                scope["path_template"] = asked["path_template"]


async def _first(receive: Receive, started: asyncio.Event) -> Any:
    """What the client sends, or that it has left, whichever is first."""
    if started.is_set():
        return {"type": "http.disconnect"}
    message, answered = (
        asyncio.ensure_future(_received(receive)),
        asyncio.ensure_future(started.wait()),
    )
    try:
        await asyncio.wait({message, answered}, return_when=asyncio.FIRST_COMPLETED)
        return message.result() if message.done() else {"type": "http.disconnect"}
    finally:
        for waiting in (message, answered):
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting


async def _received(receive: Receive) -> Any:
    return await receive()
