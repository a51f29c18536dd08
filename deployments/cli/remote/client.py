"""A connection to the API, for one command.

Contract: every wait has a limit; certificates are verified; what may be repeated is repeated under
one `Idempotency-Key`, so that a lost answer does nothing twice.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
import msgspec

from blocks.contracts.ids import SYSTEM_TENANT
from deployments.cli.over_http import Access
from deployments.cli.remote.refusals import NotDone, no_answer, not_understood, refusal
from deployments.printing import say_line

TIMEOUT = httpx.Timeout(30.0, connect=5.0)

ACCEPTED = "application/json, application/problem+json"
"""So every route answers errors in one form, those of other systems' forms, too."""

TRIES = 3

WAIT_MAX_SECONDS = 60.0
"""For as long together, the `Retry-After` of answers is waited for; then the refusal is final."""

PAGE_MAX = 100

_LATER = frozenset({409, 429, 503})

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

T = TypeVar("T")

Query = Mapping[str, str | list[str] | None]


class Client:
    """Requests of one tenant, in the name of one user or of the credential itself."""

    def __init__(self, http: httpx.AsyncClient, access: Access, tenant_id: str) -> None:
        self._http, self._access, self._tenant_id = http, access, tenant_id

    async def get(self, path: str, kind: type[T], query: Query | None = None) -> T:
        """Raises `NotDone`."""
        return _decoded(await self._answer("GET", path, query=query), kind)

    async def read(self, path: str, kind: type[T]) -> tuple[T, str]:
        """The document, and its ETag. Raises `NotDone`."""
        response = await self._answer("GET", path)
        return _decoded(response, kind), response.headers.get("ETag", "")

    async def pages(
        self,
        path: str,
        kind: type[Any],
        limit: int | None,
        query: Query | None = None,
        items: str = "items",
    ) -> AsyncIterator[Any]:
        """The items of all pages, at most `limit`. Raises `NotDone`."""
        left, continuation = limit, None
        while left is None or left > 0:
            size = PAGE_MAX if left is None else min(left, PAGE_MAX)
            asked = {**(query or {}), "limit": str(size), "continuation": continuation}
            page = await self.get(path, kind, asked)
            found = getattr(page, items)
            for item in found[:left]:
                yield item
            left = None if left is None else left - len(found)
            if not page.continuation:
                return
            if page.continuation == continuation:
                raise NotDone(f"the API at {self._access.url} repeats one page of {path}")
            continuation = page.continuation

    async def post(
        self, path: str, kind: type[T], body: object = None, *, key: str | None = None
    ) -> T:
        """The answer; a request of the same key, or that is repeated here, is carried out once.

        Raises `NotDone`.
        """
        return (await self.post_once(path, kind, body, key=key))[0]

    async def post_once(
        self, path: str, kind: type[T], body: object = None, *, key: str | None = None
    ) -> tuple[T, bool]:
        """As `post`; False: an earlier request of this key was carried out. Raises `NotDone`."""
        headers = {"Idempotency-Key": key or str(uuid4())}
        response = await self._answer("POST", path, body=body, headers=headers)
        return _decoded(response, kind), "Idempotency-Replayed" not in response.headers

    async def send(
        self,
        method: str,
        path: str,
        kind: type[T],
        body: object = None,
        *,
        if_match: str | None = None,
    ) -> T:
        """A request without `Idempotency-Key`, sent once. Raises `NotDone`."""
        headers = {"If-Match": if_match} if if_match else {}
        return _decoded(await self._answer(method, path, body=body, headers=headers), kind)

    async def _answer(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] = {},
    ) -> httpx.Response:
        stated = {name: value for name, value in (query or {}).items() if value is not None}
        content = None if body is None else msgspec.json.encode(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        is_repeatable = method == "GET" or "Idempotency-Key" in headers
        waited, tries = 0.0, 0
        while True:
            tries += 1
            try:
                response = await self._http.request(
                    method, path, params=stated, content=content, headers={**headers, **kind}
                )
            except httpx.HTTPError as error:
                connected = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if connected and is_repeatable and tries < TRIES:
                    continue
                is_decided = method == "GET" or not connected
                raise no_answer(self._access.url, error, is_decided=is_decided) from None
            if response.is_success:
                return response
            wait = _wait_seconds(response) if is_repeatable or response.status_code == 429 else None
            if wait is None or tries >= TRIES or waited + wait > WAIT_MAX_SECONDS:
                raise refusal(response, _credential(self._access.key), self._tenant_id)
            say_line(f"the API asks to wait {wait:g} s", error=True)
            waited += wait
            await asyncio.sleep(wait)


def path_of(*parts: str) -> str:
    """The path below `/api/v1`, whatever characters its parts hold."""
    return "/".join(("/api/v1", *(quote(part, safe="") for part in parts)))


def moment(at: datetime | None) -> str | None:
    """A moment as a filter takes it."""
    return at.isoformat() if at else None


@asynccontextmanager
async def client(
    access: Access, tenant_id: str | None, actor: str = "", roles: tuple[str, ...] = ()
) -> AsyncIterator[Client]:
    """A connection that is closed at the end; `actor`: the user it acts for. Raises `NotDone`."""
    tenant_id = tenant_id or access.tenant_id or SYSTEM_TENANT
    headers = {"Accept": ACCEPTED, "X-Tenant-ID": tenant_id}
    if access.key:
        headers["Authorization"] = f"Bearer {access.key}"
    if actor:
        headers["X-User-ID"] = _in_header(actor)
    if roles:
        headers["X-User-Roles"] = _in_header(",".join(roles))
    if access.key and (host := _unprotected_host(access.url)):
        say_line(f"note: without https, the key travels in clear to {host}", error=True)
    async with httpx.AsyncClient(base_url=access.url, headers=headers, timeout=TIMEOUT) as http:
        yield Client(http, access, tenant_id)


def _decoded(response: httpx.Response, kind: type[T]) -> T:
    if kind is type(None):
        return None
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.MsgspecError as error:
        raise not_understood(response, error) from None


def _wait_seconds(response: httpx.Response) -> float | None:
    """After so many seconds the API takes the request again; None: it does not say so."""
    stated = response.headers.get("Retry-After", "")
    if response.status_code not in _LATER or not stated.isdecimal():
        return None
    return float(stated)


def _credential(key: str | None) -> str:
    """What was shown, without the secret: the prefix of an API key is public."""
    if not key:
        return "no key (--key-file, ORCHESTRATOR_API_KEY)"
    parts = key.split("_", 2)
    return f"key {parts[1]}" if len(parts) == 3 and parts[0] == "wfo" else "the token"


def _unprotected_host(url: str) -> str | None:
    parts = httpx.URL(url)
    return parts.host if parts.scheme == "http" and parts.host not in _LOOPBACK else None


def _in_header(text: str) -> str:
    if not text.isascii():
        raise NotDone(f"{text!r} cannot stand in a header: use letters of ASCII")
    return text
