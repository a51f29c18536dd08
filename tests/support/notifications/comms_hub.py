"""The platform's communications hub: a real HTTP server with the contract that it documents."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHANNELS = ("email", "sms", "whatsapp", "push")


class CommsHub:
    """Takes messages while it works: 201, or 400 for what it does not take. Remembers them by
    their Idempotency-Key, as a hub does that shows no one the same message twice.
    """

    def __init__(self) -> None:
        self.url = ""
        self.messages: list[dict[str, Any]] = []
        """As they were accepted."""
        self.keys: list[str] = []
        """Of each request, in order."""
        self.failures: list[int] = []
        """Statuses of the next answers, in place of its work."""

    def answer(self, path: str, key: str, body: bytes) -> tuple[int, dict[str, Any]]:
        self.keys.append(key)
        if self.failures:
            return self.failures.pop(0), {"success": False, "error": "it does not work"}
        if path != "/api/messages/send":
            return 404, {"error": "no such route"}
        message = json.loads(body)
        if problem := _problem(message):
            return 400, {"success": False, "error": problem}
        self.messages.append(message)
        number = len(self.messages)
        return 201, {"success": True, "messageId": f"msg-{number}", "status": "queued"}


def _problem(message: dict[str, Any]) -> str | None:
    if message.get("channel") not in CHANNELS:
        return "channel"
    if not message.get("recipient") or not message.get("body"):
        return "recipient and body are required"
    return None if message.get("priority", 5) in range(1, 11) else "priority"


@contextmanager
def comms_hub() -> Iterator[CommsHub]:
    """Serves while the context lasts."""
    hub = CommsHub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = hub.answer(self.path, self.headers["idempotency-key"], body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
