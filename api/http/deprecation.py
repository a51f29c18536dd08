"""Routes that clients of the systems before this one know: compatible ones, which stay to the
letter, and deprecated ones, whose document and answers name the successor.

There is no `Sunset` header (RFC 8594) because no end date is set.
"""

from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime
from typing import Self
from urllib.parse import quote

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

COMPATIBLE = {"compatible": True}
"""Option of a route whose parameters, statuses and bodies are those of another system."""

SHARED = {"shared": True}
"""Option of a route of ours that clients of the older service call, too."""


SINCE = datetime(2026, 11, 21, tzinfo=UTC)

Successor = Callable[[str], str]
"""The path of the route that answers instead, from the path that was asked for."""


def is_to_the_letter(handler: BaseRouteHandler) -> bool:
    """Whether clients of another system call it: what holds for all routes of ours does not change
    what they may send, nor the statuses that they know.
    """
    opt = handler.opt.items()
    return COMPATIBLE.items() <= opt or SHARED.items() <= opt


def deprecated(*route_handlers: HTTPRouteHandler) -> list[HTTPRouteHandler]:
    """These routes, as the document marks them; a router around them has the middleware that marks
    their answers.
    """
    return [_marked(handler) for handler in route_handlers]


class Deprecation(ASGIMiddleware):
    """Adds `Deprecation` (RFC 9745) and `Link` to what the routes answer, errors included."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, successor: Successor) -> None:
        self._successor = successor

    def __deepcopy__(self, _: object) -> Self:
        return self  # Litestar copies the routers that it nests

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        successor = quote(self._successor(scope["path"]))
        links = f'<{successor}>; rel="successor-version", </docs>; rel="deprecation"'

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableScopeHeaders.from_message(message)
                headers["Deprecation"] = f"@{SINCE.timestamp():.0f}"
                headers["Link"] = links
            await send(message)

        await next_app(scope, receive, send_marked)


def _marked(handler: HTTPRouteHandler) -> HTTPRouteHandler:
    marked = copy(handler)
    marked.deprecated = True
    return marked
