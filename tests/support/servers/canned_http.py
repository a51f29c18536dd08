"""An HTTP server whose answers are bytes: what no well-behaved server would send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec


class Received(msgspec.Struct, frozen=True):
    """A request as it came; names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


def answer(body: bytes = b"{}", status: str = "200 OK", headers: str = "") -> bytes:
    """A complete answer; `headers` are whole lines."""
    return f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


class CannedHttp:
    """Each connection is one request; the last answer is given again and again."""

    def __init__(self, *answers: bytes) -> None:
        self.received: list[Received] = []
        self._answers = list(answers) or [answer()]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(Received(first.split(" ")[1], headers, body))
        writer.write(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
        await writer.drain()
        writer.close()


@asynccontextmanager
async def canned_http(*answers: bytes) -> AsyncIterator[tuple[CannedHttp, str]]:
    """The server and its URL, while the context lasts."""
    served = CannedHttp(*answers)
    server = await asyncio.start_server(served, "127.0.0.1", 0)
    async with server:
        yield served, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
