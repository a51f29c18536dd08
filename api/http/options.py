"""`OPTIONS`, answered with every method that the path takes.

Litestar makes such an answer when the first route of a path is registered, and leaves out those
that come after it.
"""

from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import HttpMethod, ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send


class AllowEveryMethod(ASGIMiddleware):
    """Corrects the header `Allow` of these answers."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope.get("method") != HttpMethod.OPTIONS:
            await next_app(scope, receive, send)
            return
        methods = _methods(scope["litestar_app"], scope["path_template"])

        async def send_corrected(message: Message) -> None:
            if message["type"] == "http.response.start" and methods:
                MutableScopeHeaders.from_message(message)["Allow"] = ", ".join(sorted(methods))
            await send(message)

        await next_app(scope, receive, send_corrected)


def _methods(app: Litestar, path_template: str) -> set[str]:
    return {
        str(method)
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path_format == path_template
        for method in route.methods
    }
