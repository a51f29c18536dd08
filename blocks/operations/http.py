"""HTTP to what operations work with: one request, bounded in time and size.

Nothing is repeated here: a step is attempted again as its operation declares. Errors are one line
without addresses and secrets.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from blocks.contracts.envelope import SERVICE
from blocks.contracts.events import JsonObject
from blocks.observability.plain_text import shortened
from blocks.observability.redaction import redacted
from blocks.operations.work import NotConfigured
from blocks.settings.urls import PLACEHOLDER

ANSWER_BYTES_MAX = 8 * 1024 * 1024

_DETAIL_LENGTH = 200
_VALUE_LENGTH = 200


class ServiceFailed(Exception):
    """A service did not do what it was asked for, or nothing is known of it."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        """Of its answer, where that is the reason."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a service. `service` is what people call it: `the CMS (services)`."""

    service: str
    url: str
    method: str = "GET"
    query: Mapping[str, str] = {}
    content: Any = None
    """Sent as JSON; None: nothing is sent."""
    token: str = ""
    """Sent as `Authorization: Bearer`; empty: none."""
    headers: Mapping[str, str] = {}
    limit_seconds: float = 10.0
    """From the first byte of the request to the last of its answer."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A status of success, or 304, and what came with it; names of headers are in lower case."""

    service: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Raises `ServiceFailed`."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ServiceFailed(f"{self.service} answered what is no JSON") from None

    @property
    def json_object(self) -> JsonObject:
        """Nothing at all is an empty object. Raises `ServiceFailed`."""
        content = self.json if self.body.strip() else {}
        if not isinstance(content, dict):
            raise ServiceFailed(f"{self.service} answered what is no JSON object")
        return content


async def ask(request: Request) -> Answer:
    """What the service answered. Raises `ServiceFailed`."""
    async with client() as connections, answering(connections, request) as response:
        return await _read(request, response)


def client(at_once: int = 1, *, socket: str | None = None) -> httpx.AsyncClient:
    """Connections inside the platform, to a port or a Unix socket: no proxy, and no redirect is
    followed. How long a request may take is for `answering` to limit.
    """
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=socket, limits=limits, trust_env=False),
        timeout=None,
        trust_env=False,
        follow_redirects=False,
    )


@asynccontextmanager
async def answering(
    connections: httpx.AsyncClient, request: Request
) -> AsyncIterator[httpx.Response]:
    """The answer, whose body is to be read within the limit, too; of any status. Raises
    `ServiceFailed`.
    """
    content = None if request.content is None else msgspec.json.encode(request.content)
    try:
        async with (
            asyncio.timeout(request.limit_seconds),
            connections.stream(
                request.method,
                httpx.URL(request.url).copy_merge_params(request.query),
                content=content,
                headers=_headers(request),
            ) as response,
        ):
            yield response
    except TimeoutError:
        raise ServiceFailed(
            f"{request.service} did not answer within {request.limit_seconds:g} s"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise ServiceFailed(
            f"{request.service} cannot be reached ({type(error).__name__})"
        ) from None


async def parts_of(
    request: Request, response: httpx.Response, bytes_max: int
) -> AsyncIterator[bytes]:
    """The body as it comes. Raises `ServiceFailed` for more bytes."""
    size = 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > bytes_max:
            raise ServiceFailed(f"{request.service} answered more than {bytes_max} bytes")
        yield part


def filled(template: str, values: Mapping[str, str]) -> str:
    """The address with each `{name}` replaced, so that no value leaves its place in it.

    Raises `NotConfigured` for a name without a value, `ServiceFailed` for a value that cannot stand
    in an address.
    """

    def of(name: re.Match[str]) -> str:
        value = values.get(name[1], "")
        if not value:
            raise NotConfigured(f"No {name[1]} provided")
        if value in (".", "..") or len(value) > _VALUE_LENGTH:
            raise ServiceFailed(f"{name[1]} cannot stand in an address")
        return quote(value, safe="")

    return PLACEHOLDER.sub(of, template)


def _headers(request: Request) -> dict[str, str]:
    headers = {
        "accept": "application/json",
        "accept-encoding": "identity",  # what unpacks to more than it seems is not read
        "user-agent": SERVICE,
        **request.headers,
    }
    if request.content is not None:
        headers["content-type"] = "application/json"
    if request.token:
        headers["authorization"] = f"Bearer {request.token}"
    return headers


async def _read(request: Request, response: httpx.Response) -> Answer:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ServiceFailed(f"{request.service} answered compressed, which was not asked for")
    body = b"".join([part async for part in parts_of(request, response, ANSWER_BYTES_MAX)])
    if not (response.is_success or response.status_code == 304):
        detail = _detail(body)
        raise ServiceFailed(
            f"{request.service} answered {response.status_code}{detail}",
            status=response.status_code,
        )
    return Answer(
        service=request.service,
        status=response.status_code,
        headers=dict(response.headers),
        body=body,
    )


def _detail(body: bytes) -> str:
    """What the service adds to a refusal, for people; empty if that cannot be read."""
    try:
        stated = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(stated, dict):
        return ""
    texts = (stated.get(name) for name in ("error", "message", "detail", "reason"))
    text = next((text for text in texts if isinstance(text, str) and text.strip()), "")
    return f": {shortened(redacted(text[:2_000]), _DETAIL_LENGTH)}" if text else ""
