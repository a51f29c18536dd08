"""Requests that no client library would send, byte for byte over a socket: every answer is a
documented one.

What the OpenAPI document invites says nothing about encodings, framing or nesting. Here a good
request of every route is spoiled in one or two ways; which, a seed decides.
"""

import asyncio
import gzip
import json
import logging
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from uuid import UUID

import h11
import msgspec

from tests.support.api.every_route import BODIES, Route, every_route

SECONDS = 20
"""For an answer. The server's own limit for half a request is set far below it."""

EXPECTED = {400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 422, 428, 429, 431, 501}
"""Besides 2xx and 3xx. 501: links that are switched off."""


class Spoiled(msgspec.Struct):
    """A request before it becomes bytes; `framed` is what announces the body."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    is_complete: bool = True
    framing: bytes | None = None
    version: bytes = b"HTTP/1.1"

    def bytes(self) -> bytes:
        lines = [b"%s %s %s" % (self.method, self.target, self.version)]
        lines += [name + b": " + value for name, value in self.headers]
        if self.framing is None and self.body:
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join(lines) + b"\r\n" + (self.framing or b"") + b"\r\n" + self.body


class Answered(msgspec.Struct, frozen=True):
    """What came back; status 0: the connection was closed without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_usable: bool
    """Whether the connection may carry another request."""


Twist = Callable[[random.Random, Spoiled], None]


# --- bodies ---------------------------------------------------------------------------------------

VALUES = (
    b"[" * 1_000 + b"]" * 1_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b"[" * 90_000,
    b"1e400",
    b"-1e400",
    b"9" * 5_000,
    b"9" * 4_000,
    b"1e308",
    b"1e-400",
    b"NaN",
    b"-Infinity",
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\xed\xa0\x80"',
    b'"\xff\xfe"',
    b'"\\u0000"',
    b'"\x00"',
    b'"\\u202e\\u0007\\u001b[2J"',
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"' + b"x" * 300_000 + b'"',
    b'"0000-00-00T00:00:00Z"',
    b'"99999-01-01T00:00:00Z"',
    b'"9999-12-31T23:59:59-23:59"',
    b'"0001-01-01T00:00:00+23:59"',
    b'{"$ref":"#"}',
    b'{"__prefect_kind":"json","value":"1"}',
)


def another_value(chance: random.Random, one: Spoiled) -> None:
    """One of its fields holds something else."""
    try:
        fields = json.loads(one.body or b"{}")
    except (ValueError, RecursionError):
        fields = {}
    names = [*fields, *NAMES] if isinstance(fields, dict) else [*NAMES]
    name, value = chance.choice(names), chance.choice(VALUES)
    kept = (
        {key: field for key, field in fields.items() if key != name}
        if isinstance(fields, dict)
        else {}
    )
    start = json.dumps(kept).encode()[:-1]
    one.body = start + (b"," if kept else b"") + json.dumps(name).encode() + b":" + value + b"}"


NAMES = (
    "formSchema",
    "form",
    "context",
    "metadata",
    "data",
    "expiresAt",
    "subject",
    "decidedBy",
    "reason",
    "policy",
)


def another_body(chance: random.Random, one: Spoiled) -> None:
    bodies = (
        *VALUES,
        b"",
        b" ",
        b"\xef\xbb\xbf" + one.body,
        one.body.decode("utf-8", "replace").encode("utf-16"),
        one.body[: len(one.body) // 2],
        one.body + one.body,
        one.body.replace(b"{", b'{"a":1,"a":2,', 1),
        bytes(chance.randrange(256) for _ in range(40)),
    )
    one.body = chance.choice(bodies)


def a_byte_changed(chance: random.Random, one: Spoiled) -> None:
    if one.body:
        place = chance.randrange(len(one.body))
        one.body = one.body[:place] + bytes([chance.randrange(256)]) + one.body[place + 1 :]


def compressed(_: random.Random, one: Spoiled) -> None:
    one.body = gzip.compress(one.body)
    one.headers.append((b"Content-Encoding", b"gzip"))


# --- framing --------------------------------------------------------------------------------------


def framed_badly(chance: random.Random, one: Spoiled) -> None:
    body = one.body or b"{}"
    chunked = b"Transfer-Encoding: chunked\r\n"
    size = b"%x\r\n" % len(body)
    framings: tuple[tuple[bytes, bytes, bool], ...] = (
        (chunked, size + body + b"\r\n0\r\n\r\n", True),
        (chunked, b"".join(b"1\r\n%c\r\n" % byte for byte in body[:500]) + b"0\r\n\r\n", True),
        (chunked, size + body + b"\r\n0\r\nX-Tenant-ID: trailer\r\n\r\n", True),
        (chunked, b"zz\r\n" + body + b"\r\n0\r\n\r\n", True),
        (chunked, b"-1\r\n" + body, True),
        (chunked, b"ffffffffffffffffffff\r\n" + body, True),
        (chunked, size + body, False),
        (chunked, size + body + b"no end", True),
        (chunked + b"Content-Length: %d\r\n" % len(body), size + body + b"\r\n0\r\n\r\n", True),
        (
            b"Content-Length: %d\r\n%s" % (len(body), chunked),
            b"0\r\n\r\nGET /health HTTP/1.1\r\n\r\n",
            True,
        ),
        (b"Transfer-Encoding: gzip, chunked\r\n", size + body + b"\r\n0\r\n\r\n", True),
        (b"Transfer-Encoding: identity\r\n", body, True),
        (b"Content-Length: %d\r\n" % (len(body) + 10), body, False),
        (b"Content-Length: %d\r\n" % (len(body) // 2), body, True),
        (b"Content-Length: -5\r\n", body, True),
        (b"Content-Length: 1e3\r\n", body, True),
        (b"Content-Length: %s\r\n" % (b"9" * 400), body, True),
        (b"Content-Length: 2\r\nContent-Length: 3\r\n", body, True),
        (b"Content-Length: %d\r\nExpect: 100-continue\r\n" % len(body), body, True),
        (b"Content-Length: %d\r\nExpect: 200-maybe\r\n" % len(body), body, True),
    )
    one.framing, one.body, one.is_complete = chance.choice(framings)


def cut(chance: random.Random, one: Spoiled) -> None:
    one.is_complete = False


# --- targets and headers --------------------------------------------------------------------------

QUERIES = (
    b"limit=1e99",
    b"limit=" + b"9" * 5_000,
    b"limit=-1",
    b"limit=%00",
    b"limit=10&limit=20",
    b"continuation=" + b"A" * 3_000,
    b"continuation=%ff%fe",
    b"continuation=e30&continuation=e31",
    b"createdAfter=0000-01-01T00:00:00Z",
    b"createdAfter=0001-01-01T00:00:00%2B23:59",
    b"createdBefore=99999-01-01T00:00:00Z",
    b"createdBefore=9999-12-31T23:59:59-23:59",
    b"createdAfter=2026-02-30",
    b"status=%ed%a0%80",
    b"subject=%00",
    b"subject=%ff",
    b"opportunityId=%00%0d%0aX: y",
    b"seconds=0&types=%00",
    b"%ff=%ff",
    b"a[]=1&&&=&==;",
    b"x=" + b"y" * 20_000,
    b"\xc3\xa9=1",
)


def another_query(chance: random.Random, one: Spoiled) -> None:
    one.target += (b"&" if b"?" in one.target else b"?") + chance.choice(QUERIES)


def another_path(chance: random.Random, one: Spoiled) -> None:
    path = one.target
    one.target = chance.choice(
        (
            path + b"%00",
            path + b"/%2f",
            path.replace(b"/", b"%2f", 2),
            path + b"/..%2f..%2fhealth",
            b"/api/v1/../../health",
            path + b"/%2e%2e",
            path + b"%ff",
            path + b"%zz",
            path + b"/" + b"a" * 40_000,
            b"http://elsewhere.example" + path,
            b"http://[::1" + path,
            b"*",
            b"//health",
            path.upper(),
            path + b"\xff",
            path.rpartition(b"/")[0] + b"/%ed%a0%80",
            path.rpartition(b"/")[0] + b"/" + b"9" * 5_000,
        )
    )


HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"If-Match", b"\xff"),
    (b"If-Match", b'"' + b"9" * 5_000 + b'"'),
    (b"If-Match", b"W/"),
    (b"If-None-Match", b"\x01"),
    (b"Idempotency-Key", b""),
    (b"Idempotency-Key", b"\xff\xfe"),
    (b"Idempotency-Key", b"k" * 300),
    (b"Last-Event-ID", b"\xff"),
    (b"Last-Event-ID", b"9" * 5_000),
    (b"Range", b"bytes=9-1,x"),
    (b"Accept", b"application/xml;q=no"),
    (b"Accept", b";;;"),
    (b"Accept-Encoding", b"\xff"),
    (b"Accept-Language", b"*" * 2_000),
    (b"Content-Type", b"text/plain"),
    (b"Content-Type", b"application/json; charset=utf-16"),
    (b"Content-Type", b"multipart/form-data"),
    (b"Content-Type", b"multipart/form-data; boundary=\xff"),
    (b"Content-Type", b"\xff"),
    (b"Content-Type", b";"),
    (b"Cookie", b"a=\xff; ;=;" + b"x" * 5_000),
    (b"Cookie", b"x" * 40_000),
    (b"X-Tenant-ID", b"\xff"),
    (b"X-Tenant-ID", b"a second one"),
    (b"X-User-ID", b"\xff\x00"),
    (b"X-User-ID", b"\xe4nn"),
    (b"Authorization", b"Bearer \xff"),
    (b"Authorization", b"Basic YTpi"),
    (b"X-Request-ID", b"\xff"),
    (b"traceparent", b"00-" + b"f" * 200),
    (b"Origin", b"http://[::1"),
    (b"Host", b"a.example"),
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Connection", b"close"),
    (b"X-Folded", b"a\r\n b"),
    (b"X Bad", b"name"),
    (b"X-Nul", b"a\x00b"),
)


def another_header(chance: random.Random, one: Spoiled) -> None:
    one.headers.append(chance.choice(HEADERS))


def a_header_instead(chance: random.Random, one: Spoiled) -> None:
    name, value = chance.choice(HEADERS)
    one.headers = [kept for kept in one.headers if kept[0].lower() != name.lower()] + [
        (name, value)
    ]


def upgraded(chance: random.Random, one: Spoiled) -> None:
    one.headers += [
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Version", chance.choice((b"13", b"8", b"\xff"))),
        (b"Sec-WebSocket-Key", chance.choice((b"dGhlIHNhbXBsZSBub25jZQ==", b"short", b"\xff"))),
        (b"Sec-WebSocket-Protocol", chance.choice((b"workflow-orchestrator.v1", b"\xff", b",,"))),
    ]


def another_method(chance: random.Random, one: Spoiled) -> None:
    one.method = chance.choice(
        (
            b"BREW",
            b"HEAD",
            b"OPTIONS",
            b"TRACE",
            b"CONNECT",
            b"PATCH",
            b"get",
            b"A" * 5_000,
            b"G\x00T",
            b"PRI",
        )
    )


def another_version(chance: random.Random, one: Spoiled) -> None:
    one.version = chance.choice((b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/9999", b"", b"\x00"))


TWISTS: Sequence[Twist] = (
    another_value,
    another_value,
    another_value,
    another_body,
    a_byte_changed,
    compressed,
    framed_badly,
    framed_badly,
    cut,
    another_query,
    another_query,
    another_path,
    another_header,
    a_header_instead,
    upgraded,
    another_method,
    another_version,
)


# --- asking ---------------------------------------------------------------------------------------


def requests(credential: dict[str, str], seed: int, count: int) -> Iterator[Spoiled]:
    """So many requests; the same for the same seed."""
    chance, routes = random.Random(seed), every_route()
    for _ in range(count):
        one = _good(chance.choice(routes), credential, chance)
        for twist in chance.sample(TWISTS, chance.choice((1, 1, 2))):
            twist(chance, one)
        yield one


def _good(route: Route, credential: dict[str, str], chance: random.Random) -> Spoiled:
    known = str(UUID(int=chance.getrandbits(128), version=4))
    fields = BODIES.get(
        route.name, {"outcome": "approve"} if route.method in ("POST", "PATCH", "PUT") else None
    )
    body = b"" if fields is None else msgspec.json.encode(fields)
    stated = {
        "Host": "api.test",
        **credential,
        **route.headers,
        **({"Content-Type": "application/json"} if body else {}),
    }
    headers = [(name.encode(), value.encode()) for name, value in stated.items()]
    return Spoiled(route.method.encode(), route.with_id(known).encode(), headers, body)


async def ask(url: str, one: Spoiled) -> Answered:
    """The answer to these bytes. Raises `TimeoutError` if there is none and the connection stays
    open.
    """
    where = urlsplit(url)
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            writer.write(one.bytes())
            if not one.is_complete:
                writer.write_eof()
            return await _answer(reader, one.method)
        except ConnectionError:
            return Answered(0, {}, b"", False)
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader, method: bytes) -> Answered:
    client = h11.Connection(h11.CLIENT)
    sent_method = b"HEAD" if method == b"HEAD" else b"GET"
    client.send(h11.Request(method=sent_method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    head: h11.Response | None = None
    body = b""
    while True:
        event: Any = client.next_event()
        match event:
            case h11.NEED_DATA:
                data = await reader.read(65_536)
                if not data and head is None:
                    return Answered(0, {}, b"", False)
                client.receive_data(data)
            case h11.InformationalResponse(status_code=101):
                return Answered(101, {}, b"", False)
            case h11.Response():
                head = event
            case h11.Data():
                body += bytes(event.data)
            case h11.EndOfMessage() | h11.ConnectionClosed():
                break
    assert head is not None
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    return Answered(head.status_code, headers, body, client.their_state is h11.DONE)


_PLATFORMS = re.compile(rb"/workflow/|/api/(workflows|trigger|runs|events|stats|history|webhooks)")
_THEIRS = {"success", "error"}
"""Routes of the platform's services, whose errors have a text."""


def fault(one: Spoiled, answered: Answered) -> str | None:
    """Why this answer is not as documented; None: it is."""
    if answered.status == 0:
        return "no answer to a whole request" if _is_plain(one) else None
    if answered.status == 101 or 200 <= answered.status < 400:
        return None
    if answered.status not in EXPECTED:
        return f"answered {answered.status}"
    if one.method == b"HEAD" or not answered.body:
        return None
    kind = answered.headers.get("content-type", "")
    if kind.startswith("text/html"):
        # A route is the same with slashes behind it, in whatever encoding.
        path = unquote_to_bytes(one.target.split(b"?")[0]).rstrip(b"/")
        return None if path.endswith(b"/page") else "a page instead of an error"
    try:
        body = msgspec.json.decode(answered.body)
        error = body["error"]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return f"an error of another shape: {answered.body[:200]!r}"
    if isinstance(error, str):
        is_theirs = _PLATFORMS.search(unquote_to_bytes(one.target)) and body.keys() <= _THEIRS
        return (
            None if error and is_theirs else f"an error of another shape: {answered.body[:200]!r}"
        )
    return (
        None if error.get("code") and error.get("message") else "an error without code or message"
    )


def _is_plain(one: Spoiled) -> bool:
    return (
        one.is_complete
        and one.framing is None
        and not any(name == b"Upgrade" for name, _ in one.headers)
    )


class Tracebacks(logging.Handler):
    """What was logged as an error while this was in place."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(logging.Formatter().format(record))

    def __enter__(self) -> "Tracebacks":
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)


async def fuzz_bytes(url: str, credential: dict[str, str], seed: int, count: int) -> list[str]:
    """What was wrong, each with its request; empty: nothing."""
    faults: list[str] = []
    with Tracebacks() as tracebacks:
        for one in requests(credential, seed, count):
            try:
                found = fault(one, await ask(url, one))
            except TimeoutError:
                found = f"neither answered nor closed within {SECONDS} s"
            except h11.RemoteProtocolError as error:
                found = f"not HTTP: {error}"
            if tracebacks.found:
                found = f"{found or ''} logged {tracebacks.found[0]}"
            tracebacks.found.clear()
            if found:
                faults.append(f"{found}\n  {one.bytes()[:1500]!r}")
    return faults
