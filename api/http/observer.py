"""Every request gets an id, a count, a duration and one line in the log."""

import logging
import re
from time import perf_counter
from typing import Any
from uuid import uuid4

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.http.metrics import HTTP_REQUEST_DURATION, HTTP_REQUESTS
from blocks.contracts import traces
from blocks.observability.log_context import log_context

logger = logging.getLogger(__name__)

SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Whoever calls chooses the path and the method; a label value of each would fill the memory.
UNMATCHED, OTHER = "unmatched", "OTHER"
# Machines ask these every few seconds; their lines would bury all others.
POLLED = ("/health", "/ready", "/metrics")


class RequestObserver:
    """Wraps the whole application: Litestar's own middleware never sees a request that matches no
    route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return await self._app(scope, receive, send)
        request_id = request_id_of(scope)
        scope["state"]["request_id"] = request_id.decode()
        status, started = 500, perf_counter()
        answered: float | None = None

        async def send_marked(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                own = dict(message["headers"])
                if own.get(b"content-type", b"").startswith(b"text/event-stream"):
                    answered = perf_counter()  # how long a client listens is not our latency
                usual = [header for header in _USUAL if header[0] not in own]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id),
                    *_ALWAYS,
                    *usual,
                ]
            await send(message)

        with log_context(request_id=request_id.decode(), trace_id=_trace_id(scope)):
            try:
                await self._app(scope, receive, send_marked)
            finally:
                _record(scope, status, (answered or perf_counter()) - started)


_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Pages for people set their own Content-Security-Policy. TLS ends at the proxy, which sets
# Strict-Transport-Security.
_USUAL = (
    (b"cache-control", b"no-store"),  # a tenant's data belongs in no cache on the way
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


def request_id_of(scope: Any) -> bytes:
    """The caller's own id when it is fit for a log, or a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given if SANE_REQUEST_ID.fullmatch(given) else str(uuid4()).encode()


def _trace_id(scope: Any) -> str | None:
    """The caller's trace, if it names one."""
    given = next((value for name, value in scope["headers"] if name == traces.HEADER.encode()), b"")
    context = traces.TraceContext.parse(given.decode("latin-1"))
    return context.trace_id if context else None


def loggable_path(scope: Any) -> str:
    """The path as it came, still percent-encoded, so that a line break in it breaks no log; a token
    is not shown.
    """
    template: str = scope.get("path_template", "")
    return template if "{token" in template else str(scope["raw_path"].decode("latin-1"))


def _record(scope: Any, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in METHODS else OTHER
    route = scope.get("path_template", UNMATCHED)
    HTTP_REQUESTS.labels(method, route, status).inc()
    HTTP_REQUEST_DURATION.labels(method, route).observe(seconds)
    path = loggable_path(scope)
    request_id = scope["state"]["request_id"]
    level = logging.DEBUG if route in POLLED else logging.INFO
    logger.log(
        level,
        "%s %s answered %d in %.0f ms (request %s)",
        method,
        path,
        status,
        seconds * 1000,
        request_id,
    )
