"""Socket.IO beside the API, on the same port."""

from litestar.types import ASGIApp, Receive, Scope, Send

from api.sockets.endpoint import PATH, Sockets


class AtItsPath:
    """Wraps the application: requests for the endpoint's path go to the endpoint, if there is
    one.
    """

    def __init__(self, sockets: Sockets | None, app: ASGIApp) -> None:
        self._sockets, self._app = sockets, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._sockets is not None and scope["path"] == PATH:
            await self._sockets(scope, receive, send)
        else:
            await self._app(scope, receive, send)
