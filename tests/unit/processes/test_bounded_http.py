"""Connections of the API: what half a request costs, and how many of them there may be."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.support.api.credentials import a_service_token, as_user
from tests.support.api.served_api import ServedApi, served_api
from tests.support.waiting import eventually

SOON = {"REQUEST_HEAD_SECONDS": "0.3", "REQUEST_BODY_SECONDS": "0.3"}

HALVES = {
    "nothing": (b"", b""),
    "half a line": (b"GET /hea", b"408"),
    "half the headers": (b"GET /health HTTP/1.1\r\nHost: a\r\nX-A: ", b"408"),
    "half the body": (
        b"POST /api/v1/executions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
        b"",
    ),
    "half a chunk": (
        b"POST /api/v1/executions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
        b"",
    ),
    "half an opening": (
        b"GET /api/v1/executions/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n",
        b"408",
    ),
    "half of a second request": (b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /he", b"408"),
}


async def connect(api: ServedApi) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = urlsplit(api.url)
    return await asyncio.open_connection(where.hostname, where.port)


async def until_closed(api: ServedApi, sent: bytes) -> bytes:
    """Everything that comes until the server closes. Raises `TimeoutError` if it does not."""
    reader, writer = await connect(api)
    try:
        writer.write(sent)
        async with asyncio.timeout(15):
            return await reader.read()
    finally:
        writer.close()


async def is_served(api: ServedApi) -> bool:
    return b"200 OK" in await until_closed(
        api, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )


async def test_half_a_request_is_closed_in_time_whichever_half_it_is(tmp_path: Path) -> None:
    async with served_api(tmp_path, None, **SOON) as api:
        answers = await asyncio.gather(*(until_closed(api, sent) for sent, _ in HALVES.values()))

    for name, answer in zip(HALVES, answers, strict=True):
        assert HALVES[name][1] in answer, name


async def test_a_request_that_drips_is_closed_however_often_a_byte_comes(tmp_path: Path) -> None:
    async with served_api(tmp_path, None, **SOON) as api:
        reader, writer = await connect(api)
        writer.write(b"GET /health HTTP/1.1\r\nX-A: ")
        reading = asyncio.create_task(reader.read())
        async with asyncio.timeout(15):
            while not reading.done():
                writer.write(b"a")
                await asyncio.sleep(0.05)
        writer.close()

    try:
        head, _, body = reading.result().partition(b"\r\n\r\n")
    except ConnectionResetError:  # a byte crossed the close, and TCP drops what was not read
        return
    assert head.startswith(b"HTTP/1.1 408 ")
    assert "REQUEST_TIMEOUT" == msgspec.json.decode(body)["error"]["code"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("*/*", "application/json"), ("application/problem+json", "application/problem+json")],
)
async def test_what_the_server_refuses_has_an_id_and_the_form_that_is_asked_for(
    tmp_path: Path, accept: str, kind: str
) -> None:
    stated = {**as_user(a_service_token("operator")), "Accept": accept}
    headers = "".join(f"{name}: {value}\r\n" for name, value in stated.items())
    request = (
        f"POST /api/v1/executions HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: 100\r\n\r\n{{"
    )

    async with served_api(tmp_path, None, **SOON) as api:
        answer = await until_closed(api, request.encode())

    head, _, body = answer.decode().partition("\r\n\r\n")
    assert f"content-type: {kind}\r\n" in head
    [request_id] = [
        line.split(": ")[1] for line in head.split("\r\n") if line.startswith("x-request-id")
    ]
    decoded = msgspec.json.decode(body)
    assert (
        {"code": "REQUEST_TIMEOUT", "message": "The request did not come in time"}
        == decoded["error"]
        if kind == "application/json"
        else (408, "REQUEST_TIMEOUT", request_id)
        == (decoded["status"], decoded["code"], decoded["requestId"])
    )


async def test_an_answer_that_streams_is_not_cut(tmp_path: Path) -> None:
    headers = "".join(
        f"{name}: {value}\r\n" for name, value in as_user(a_service_token("viewer")).items()
    )
    request = (
        "GET /api/v1/executions/stream?seconds=2 HTTP/1.1\r\nHost: a\r\nConnection: "
        f"close\r\n{headers}\r\n"
    )

    async with served_api(tmp_path, None, **SOON, LIVE_HEARTBEAT_SECONDS="0.2") as api:
        answer = await until_closed(api, request.encode())

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"0\r\n\r\n")  # its own end, long after a request would have been closed
    assert answer.count(b"heartbeat") > 3


@pytest.mark.parametrize("limit", ["CONNECTIONS_MAX", "CONNECTIONS_PER_ADDRESS"])
async def test_a_connection_too_many_is_refused_and_its_place_is_free_again(
    tmp_path: Path, limit: str
) -> None:
    async with served_api(tmp_path, None, **{limit: "3"}) as api:
        held = [await connect(api) for _ in range(3)]
        refused = await until_closed(api, b"")
        for _, writer in held:
            writer.close()
        await eventually(lambda: is_served(api), within_seconds=15)

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in refused.lower()


async def test_headers_that_are_too_large_are_431(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        answer = await until_closed(api, b"GET /health HTTP/1.1\r\nX-A: " + b"a" * 70_000)

    assert answer.startswith(b"HTTP/1.1 431 ")


OPENING = {
    "Host": "a",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def opening(path: str, **changed: str) -> bytes:
    stated = {**OPENING, **{name.replace("_", "-"): value for name, value in changed.items()}}
    credential = as_user(a_service_token("viewer", "admin"))
    lines = [
        f"GET {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in {**stated, **credential}.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def answer_to(api: ServedApi, sent: bytes) -> tuple[int, bytes]:
    """The status, and what of the body comes first."""
    reader, writer = await connect(api)
    try:
        writer.write(sent)
        async with asyncio.timeout(15):
            head = await reader.readuntil(b"\r\n\r\n")
            return int(head.split()[1]), b"" if b" 101 " in head else await reader.read(1000)
    finally:
        writer.close()


async def test_an_opening_at_a_path_without_a_websocket_is_served_as_a_plain_request(
    tmp_path: Path,
) -> None:
    paths = {
        "/health": 200,
        "/api/v1/keys": 200,
        "/api/v1/nothing": 404,
        "/%ff": 404,
        "//health": 200,
    }
    odd = {"Sec_WebSocket_Protocol": ",,"}

    async with served_api(tmp_path) as api:
        for path, status in paths.items():
            for changed in ({}, odd, {"Sec_WebSocket_Key": "short"}):
                answered, body = await answer_to(api, opening(path, **changed))
                assert (path, status) == (path, answered)
                assert ("error" in msgspec.json.decode(body)) is (status >= 400)


async def test_an_opening_that_the_protocol_behind_refuses_is_answered_with_our_error(
    tmp_path: Path,
) -> None:
    odd = (
        {"Sec_WebSocket_Protocol": ",,"},
        {"Connection": "upgrade, ;"},
        {"X_Long": "x" * 9_000},
        {f"X_{number}": "a" for number in range(200)},
    )

    async with served_api(tmp_path) as api:
        for changed in odd:
            status, body = await answer_to(api, opening("/api/v1/executions/stream", **changed))
            assert (400, "VALIDATION_ERROR") == (status, msgspec.json.decode(body)["error"]["code"])
        assert (101, b"") == await answer_to(api, opening("/api/v1/executions/stream"))
