"""ETags: of what an answer shows, and the conditions of requests (RFC 9110, 13.1).

Approvals, definitions, webhooks, stand-ins and dead letters have a version, which our bookkeeping
leaves alone, and it is their ETag. What else a route of ours answers to a GET has the digest of its
body.
"""

import re
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar.enums import HttpMethod, ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.http.deprecation import is_to_the_letter
from api.http.documents import Document
from api.http.errors import Changed, InvalidRequest, Problem
from api.http.parameters import header

HEADER = "If-Match"

_ETAG = re.compile(r'^(\*|(W/)?"[^"]*"|[0-9]{1,9})$')
_LISTED = re.compile(rb'(?:W/)?("[^"]*")')

IfMatch = Annotated[
    str | None,
    header(
        HEADER,
        'The `ETag` of what is changed, as it was read, e.g. `"3"`: refused (412) if it has '
        "changed since.",
        pattern=_ETAG.pattern,
    ),
]


def etag_of(version: int) -> str:
    return f'"{version}"'


def etag_of_shown(shown: Document) -> str:
    """Of a document without a version: that of its GET."""
    return f'"{_digest(msgspec.json.encode(shown))}"'


def wanted_version(if_match: str | None) -> int | None:
    """The version that the request requires; None: any. Raises `InvalidRequest`."""
    etag = _wanted(if_match)
    if etag is None:
        return None
    # An ETag, but none of ours, cannot match.
    return int(etag) if re.fullmatch("[0-9]{1,9}", etag) else -1


def check_unchanged(if_match: str | None, shown: Document) -> None:
    """Passes if this is what a GET answers now with the ETag that the request requires.

    Raises `InvalidRequest`, `Changed`.
    """
    etag = _wanted(if_match)
    if etag is not None and etag != _digest(msgspec.json.encode(shown)):
        raise Changed


def _wanted(if_match: str | None) -> str | None:
    """Without what marks it as an ETag; None: any will do. Raises `InvalidRequest`."""
    if if_match is None or if_match.strip() == "*":
        return None
    if not _ETAG.fullmatch(if_match.strip()):
        raise InvalidRequest(Problem(field=HEADER, message="is not an ETag", source="header"))
    return if_match.strip().removeprefix("W/").strip('"')


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()[:24]


class ConditionalReads(ASGIMiddleware):
    """Every JSON answer to a GET has an ETag, and is 304 without a body to a client that shows the
    same in `If-None-Match`. Of a route of another system, only what has a version.
    """

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope.get("method") != HttpMethod.GET:
            await next_app(scope, receive, send)
            return
        start: Any = None

        async def send_tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_document(message):
                start = message
                return
            if start is not None and message["type"] == "http.response.body":
                message = _tagged(scope, start, message)  # a document is sent in one piece
                await send(start)
                start = None
            await send(message)

        await next_app(scope, receive, send_tagged)


def _is_document(start: Any) -> bool:
    kind: bytes = dict(start["headers"]).get(b"content-type", b"")
    return kind.startswith(b"application/json") and bool(start["status"] == 200)


def _tagged(scope: Scope, start: Any, body: Any) -> Any:
    """The body to send; `start` has the ETag, and is 304 if the client knows it."""
    etag = dict(start["headers"]).get(b"etag")
    if etag is None and not is_to_the_letter(scope["route_handler"]):
        etag = f'"{_digest(body["body"])}"'.encode()
        start["headers"] = [*start["headers"], (b"etag", etag)]
    if etag is None or not _is_known(scope, etag):
        return body
    start["status"] = 304
    start["headers"] = [one for one in start["headers"] if not one[0].startswith(b"content-")]
    return {**body, "body": b""}


def _is_known(scope: Scope, etag: bytes) -> bool:
    """By the weak comparison, as RFC 9110 (13.1.2) has it for reads."""
    stated = [value for name, value in scope["headers"] if name == b"if-none-match"]
    return any(value.strip() == b"*" or etag in _LISTED.findall(value) for value in stated)
