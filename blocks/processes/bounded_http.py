"""HTTP of a public server: uvicorn's protocol, with limits that uvicorn does not have.

uvicorn closes only a connection that is idle between two requests: a client that sends half of a
request holds its connection for ever. Here a request has to come in within a time, and connections
are counted, in all and by address. Once a request is in, no clock runs: answers that stream, and
WebSockets, last as long as they do.
"""

import asyncio
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from uuid import uuid4

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.http11 import Request
from websockets.server import ServerProtocol

from blocks.settings.sections import Server
from blocks.settings.server import proxies_of

HEADERS_BYTES_MAX = 32_768
"""Of the first line and all headers together; more is answered 431."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What clients may have at once, and how long a request may take to come in."""

    connections_max: int
    connections_per_address: int
    head_seconds: float
    """From the connection, or the first byte of a further request, to the end of its headers."""
    body_seconds: float
    """From then on to the end of its body, while the application takes what comes."""
    trusted: Sequence[str] = ()
    """Addresses and networks of proxies: each brings the connections of many, and is not counted by
    address.
    """


def limits_of(server: Server) -> Limits:
    """As the settings have them."""
    return Limits(
        connections_max=server.connections_max,
        connections_per_address=server.connections_per_address,
        head_seconds=server.head_seconds,
        body_seconds=server.body_seconds,
        trusted=proxies_of(server),
    )


class Refusal(msgspec.Struct, frozen=True):
    """Why the server itself answers, before the application has a request."""

    status: int
    code: str
    message: str


INVALID = Refusal(400, "VALIDATION_ERROR", "This is not a valid HTTP request")
TOO_SLOW = Refusal(408, "REQUEST_TIMEOUT", "The request did not come in time")
TOO_LARGE = Refusal(431, "HEADERS_TOO_LARGE", "The headers of the request are too large")
TOO_MANY = Refusal(503, "TOO_MANY_CONNECTIONS", "There are too many connections; try again later")

_PHRASES = {400: b"Bad Request", 408: b"Request Timeout", 503: b"Service Unavailable"}
_PHRASES[431] = b"Request Header Fields Too Large"

_WEBSOCKET_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")


class Written(msgspec.Struct, frozen=True):
    """The body of a refusal."""

    media_type: str
    content: bytes


Body = Callable[[Refusal, str, str], Written]
"""From the refusal, the header `Accept` as far as it has come in, and the id of the request."""

HasWebSocket = Callable[[str], bool]
"""Whether the application has a WebSocket at this path."""


def no_websocket(path: str) -> bool:
    return False


def bounded_http(
    limits: Limits, body: Body, has_websocket: HasWebSocket = no_websocket
) -> type[H11Protocol]:
    """The protocol class for a `uvicorn.Config`.

    `body` writes a refusal as the application would.
    """
    known = {
        "limits": limits,
        "counted": OpenConnections(limits),
        "body": staticmethod(body),
        "has_websocket": staticmethod(has_websocket),
    }
    return type("BoundedHttp", (_BoundedHttp,), known)


class OpenConnections:
    """How many are open; lives as long as the server."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._trusted: list[IPv4Network | IPv6Network] = [ip_network(one) for one in limits.trusted]
        self._by_address: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Counts one more; False if that is one too many."""
        self._by_address[address] += 1
        return (
            self._by_address.total() <= self._limits.connections_max
            and (
                self._by_address[address] <= self._limits.connections_per_address
                or self._is_trusted(address)
            )
        )  # fmt: skip

    def leave(self, address: str) -> None:
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]

    def _is_trusted(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self._trusted)
        except ValueError:
            return False


class _BoundedHttp(H11Protocol):
    limits: Limits
    counted: OpenConnections
    body: Body
    has_websocket: HasWebSocket

    _address: str | None = None
    _timer: asyncio.TimerHandle | None = None
    _awaited: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        if self.counted.enter(self._address):
            self._expect("head")
        else:
            self._refuse(TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _should_upgrade_to_ws(self) -> bool:
        """At every other path the header is ignored, as RFC 9110 (7.8) allows.

        Litestar would hand a WebSocket to the handler of an HTTP route, which answers nothing.
        """
        return super()._should_upgrade_to_ws() and self.has_websocket(self.scope["path"])

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From here on it is another protocol's connection, and counted with the followers.

        That protocol waits for ever for the rest of an opening that has a body, and fails at bytes
        that are no text.
        """
        if _opens_websocket(event, self.headers):
            self._expect(None)
            self._leave()
            super().handle_websocket_upgrade(event)
        else:
            self._refuse(INVALID)

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this while it handles what h11 has found wrong, which hints at a better
        status.
        """
        hint = getattr(sys.exc_info()[1], "error_status_hint", 400)
        self._refuse(TOO_LARGE if hint == 431 else INVALID)

    def _watch(self) -> None:
        """The clock runs only for what is missing of a request."""
        if self._address is None or self.transport.is_closing():
            self._expect(None)
        elif self.conn.their_state is h11.SEND_BODY:
            self._expect("body")
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._expect("head")
        else:
            self._expect(None)

    def _expect(self, what: str | None) -> None:
        if what == self._awaited and what is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._awaited = what
        if what is not None:
            seconds = self.limits.head_seconds if what == "head" else self.limits.body_seconds
            self._timer = self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        awaited, self._awaited, self._timer = self._awaited, None, None
        if awaited == "body" and self.flow.read_paused:
            self._expect("body")  # the application has not taken what is there
        elif self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self.transport.close()  # it never began
        else:
            self._refuse(TOO_SLOW)

    def _refuse(self, refusal: Refusal) -> None:
        """Answers in the application's stead, unless an answer has begun, and closes."""
        self._expect(None)
        if self.cycle is not None:  # the application's answer comes too late
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        request_id = str(uuid4())
        written = self.body(refusal, self._accept(), request_id)
        headers: list[tuple[bytes, bytes]] = [
            (b"content-type", written.media_type.encode()),
            (b"content-length", str(len(written.content)).encode()),
            (b"x-request-id", request_id.encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        if refusal.status == 503:
            headers.append((b"retry-after", b"5"))
        answer: Any = h11.Response(
            status_code=refusal.status, headers=headers, reason=_PHRASES[refusal.status]
        )
        try:
            for event in (answer, h11.Data(data=written.content), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # the application was answering; its answer stays incomplete
        self.transport.close()

    def _accept(self) -> str:
        """Empty, unless the headers of this request have come in and are valid."""
        if self.conn.their_state is not h11.SEND_BODY:
            return ""
        return b",".join(value for name, value in self.headers if name == b"accept").decode(
            "latin-1"
        )

    def _leave(self) -> None:
        if self._address is not None:
            self.counted.leave(self._address)
            self._address = None


def _opens_websocket(event: h11.Request, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether it is an opening as RFC 6455 (4.1) has it, one of each header and nothing behind
    them.
    """
    names = [name for name, _ in headers]
    stated = dict(headers)
    return (
        event.method == b"GET"
        and all(value.isascii() for _, value in headers)
        and not {b"content-length", b"transfer-encoding"} & stated.keys()
        and all(
            names.count(name) == 1
            for name in (b"host", b"sec-websocket-key", b"sec-websocket-version")
        )
        and _WEBSOCKET_KEY.fullmatch(stated[b"sec-websocket-key"]) is not None
        and stated[b"sec-websocket-version"] == b"13"
        and _is_accepted(event.target, headers)
    )


def _is_accepted(target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the protocol behind takes it; what it refuses, it answers with a text of its own."""
    lines = [b"GET %s HTTP/1.1" % target, *(b"%s: %s" % header for header in headers)]
    protocol = ServerProtocol()
    protocol.receive_data(b"\r\n".join(lines) + b"\r\n\r\n")
    return any(
        isinstance(opening, Request) and protocol.accept(opening).status_code == 101
        for opening in protocol.events_received()
    )
