"""Services of the platform that operations work with: a real HTTP server, whose answers a test
decides.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came; names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    status: int = 200
    content: Any = {}
    """Sent as JSON; bytes as they are."""
    headers: dict[str, str] = {}


Answers = Callable[[Asked], Reply]


class WebService:
    def __init__(self, url: str, asked: list[Asked]) -> None:
        self.url = url
        self.asked = asked
        """All requests, in their order."""


@contextmanager
def web_service(answers: Answers) -> Iterator[WebService]:
    """Serves while the context lasts."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            request = Asked(
                method=self.command,
                path=self.path,
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(length),
            )
            asked.append(request)
            reply = answers(request)
            content = reply.content
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            if reply.status == 304:
                body = b""
            self.send_response(reply.status)
            for name, value in {**reply.headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815 - names of the library

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield WebService(f"http://127.0.0.1:{server.server_address[1]}", asked)
        finally:
            server.shutdown()
            thread.join()
