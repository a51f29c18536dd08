"""A receiver of webhooks: a real HTTP server on the loopback address that remembers what it was
sent.
"""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from tests.support.waiting import eventually


class Received(msgspec.Struct, frozen=True):
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    at: datetime


class Answer(msgspec.Struct, frozen=True):
    status: int = 204
    headers: dict[str, str] = {}
    after_seconds: float = 0.0


class Receiver:
    """Answers the first request with the first answer, and so on; from then on with the last."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers) or [Answer()]
        self.received: list[Received] = []
        self.host = "127.0.0.1"
        self.port = 0

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.authority}/hook?team=sales"

    async def has_received(self, count: int) -> list[Received]:
        """So many requests have come, and they are these.

        Waits longer than the file bus leaves a message to a consumer that was killed with it in
        hand (30 s).
        """

        async def enough() -> bool:
            return len(self.received) >= count

        await eventually(enough, within_seconds=60)
        return self.received

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"] or 0))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, body, datetime.now(UTC)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        time.sleep(answer.after_seconds)
        request.send_response(answer.status)
        for name, value in {"Content-Length": "0", **answer.headers}.items():
            request.send_header(name, value)
        request.end_headers()


@contextmanager
def a_receiver(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Serves while the context lasts."""
    receiver = Receiver(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((receiver.host, 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
