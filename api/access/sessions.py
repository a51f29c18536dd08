"""Sessions of people in a browser: what a page's request shows instead of a header.

The cookie holds the credential itself, encrypted (AES-GCM) with a key that only the API's processes
know, so that every request is authenticated like any other: a revoked key or an expired token ends
the session, and no process has to remember one. Routes that are no pages never look at the cookie,
so another site cannot make a browser call them.
"""

from hashlib import sha256
from secrets import token_hex
from typing import Any

import msgspec
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.exceptions import LitestarException
from litestar.middleware import ASGIMiddleware
from litestar.middleware.session import SessionMiddleware
from litestar.middleware.session.client_side import ClientSideSessionBackend, CookieBackendConfig
from litestar.types import ASGIApp, Receive, Scope, Send

from api.access.identity import Connection
from api.access.tenancy import HEADER
from blocks.clock import utc_now
from blocks.settings import Settings
from blocks.settings.auth import GATEWAY, modes_of

PAGE = {"page": True}
"""Option of a route that people open in a browser: its credential is that of the session."""

COOKIE = "orchestrator_session"
_LOGIN = "login"
_PRESENTED = "presented"


class Login(msgspec.Struct, frozen=True):
    """Whom a session stands for, since when."""

    credential: str
    tenant_id: str
    since: float
    """Seconds since 1970."""
    is_own: bool = False
    """Whether the credential was made for this session alone, and ends with it."""


class SessionKeys(msgspec.Struct, frozen=True):
    """What encrypts sessions and signs forms; each key is good for one purpose alone."""

    secret: str

    @classmethod
    def of(cls, settings: Settings) -> "SessionKeys":
        """Of the setting; without one, of this process alone and as long as it lives."""
        return cls(settings.pages.session_secret or token_hex(32))

    @property
    def for_sessions(self) -> bytes:
        return sha256(b"page sessions\0" + self.secret.encode()).digest()

    @property
    def for_forms(self) -> str:
        return sha256(b"page forms\0" + self.secret.encode()).hexdigest()


class _Backend(ClientSideSessionBackend):
    """A cookie that cannot be read is none, whatever is wrong with it."""

    async def load_from_connection(self, connection: Connection) -> dict[str, Any]:
        try:
            return await super().load_from_connection(connection)
        except (ValueError, TypeError, LookupError, LitestarException):
            return {}


class PageSessions(ASGIMiddleware):
    """Litestar's sessions for pages alone; to come before authentication."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: Settings, keys: SessionKeys) -> None:
        self._lives = settings.pages.session_hours * 3600
        self._by_gateway = GATEWAY in modes_of(settings.auth)
        self._backend = _Backend(
            CookieBackendConfig(
                secret=keys.for_sessions,
                key=COOKIE,
                max_age=int(self._lives),
                secure=is_https(settings),
                scopes={ScopeType.HTTP},
            )
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if not is_page(scope):
            await next_app(scope, receive, send)
            return

        async def with_login(scope: Scope, receive: Receive, send: Send) -> None:
            if not self._by_gateway:
                scope["state"][_PRESENTED] = _headers_of(self._login(scope))
            await next_app(scope, receive, send)

        await SessionMiddleware(with_login, self._backend)(scope, receive, send)

    def _login(self, scope: Scope) -> Login | None:
        """That of the session; None: there is none, or its time is over."""
        session: Any = scope.get("session") or {}
        login = _login_in(session)
        if login is None:
            return None
        if utc_now().timestamp() - login.since < self._lives:
            return login
        session.clear()
        return None


def _login_in(session: dict[str, Any]) -> Login | None:
    try:
        return msgspec.convert(session.get(_LOGIN), Login)
    except msgspec.ValidationError:
        return None


def presented(connection: Connection) -> Headers:
    """The headers by which this request is authenticated.

    Of a page those that its session stands for, and nothing that the request states itself; behind
    a gateway that authenticates, its own.
    """
    headers: Headers | None = connection.scope["state"].get(_PRESENTED)
    return connection.headers if headers is None else headers


def _headers_of(login: Login | None) -> Headers:
    if login is None:
        return Headers({})
    return Headers({"Authorization": f"Bearer {login.credential}", HEADER: login.tenant_id})


def begin_session(
    connection: Connection, credential: str, tenant_id: str, *, is_own: bool = False
) -> None:
    """From the answer on, the browser's requests of pages show this credential; `is_own`: which was
    made for this session alone.
    """
    login = Login(credential, tenant_id, utc_now().timestamp(), is_own)
    connection.set_session({_LOGIN: msgspec.to_builtins(login)})


def end_session(connection: Connection) -> Login | None:
    """From the answer on, the browser has none; returns whom it stood for."""
    session: Any = connection.scope.get("session") or {}
    login = _login_in(session)
    connection.clear_session()
    return login


def is_page(scope: Scope) -> bool:
    handler: Any = scope.get("route_handler")
    return handler is not None and PAGE.items() <= handler.opt.items()


def is_https(settings: Settings) -> bool:
    """Whether people reach the pages through TLS, so that cookies may be kept to it."""
    return settings.server.public_url.startswith("https://")
