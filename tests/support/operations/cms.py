"""A CMS that states ETags and dates, and answers conditional requests as RFC 9110 has it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from typing import Any

from tests.support.operations.web import Asked, Reply, WebService, web_service


class Cms:
    """`content` by path; a test changes it."""

    def __init__(self) -> None:
        self.content: dict[str, Any] = {
            "/api/services": [{"id": 1}, {"id": 2}],
            "/api/pages": {"data": [{"slug": "home"}]},
            "/api/menu": {"title": "main"},
            "/api/posts": [],
        }
        self.down: set[str] = set()
        """Paths that answer 503."""
        self.states_etags = True
        self.service: WebService

    @property
    def url(self) -> str:
        return self.service.url

    def answer(self, asked: Asked) -> Reply:
        if asked.path in self.down or asked.path not in self.content:
            return Reply(status=503, content={"error": "under maintenance"})
        content = self.content[asked.path]
        if isinstance(content, bytes):
            return Reply(content=content)
        body = json.dumps(content).encode()
        etag = f'"{md5(body).hexdigest()}"'
        headers = {"ETag": etag} if self.states_etags else {}
        if asked.headers.get("if-none-match") == etag:
            return Reply(status=304, headers=headers)
        return Reply(content=body, headers=headers)

    def statuses(self) -> list[bool]:
        """Of each request, whether it was conditional."""
        return ["if-none-match" in one.headers for one in self.service.asked]


@contextmanager
def running_cms() -> Iterator[Cms]:
    """It serves while the context lasts."""
    cms = Cms()
    with web_service(cms.answer) as cms.service:
        yield cms
