"""A browser without scripts: it keeps cookies, follows redirects, and sends forms it is shown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any

import httpx
from litestar import Litestar

from tests.support.api.credentials import a_token
from tests.support.factories import A_TENANT

Tags = list[tuple[str, dict[str, str | None]]]


class Shown:
    """A page as it was answered."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.path = response.request.url.raw_path.decode()
        self.html = response.text
        reader = _Reader()
        reader.feed(self.html)
        self.tags: Tags = reader.tags
        self.text = " ".join(" ".join(reader.words).split())
        """What a person reads."""
        self.forms = reader.forms

    def links(self) -> list[str]:
        return [attributes["href"] or "" for tag, attributes in self.tags if tag == "a"]

    def form(self, action: str) -> dict[str, list[str]]:
        """The hidden fields of the form that is sent there. Raises `KeyError`."""
        return self.forms[action]


class Visitor:
    """One person; `shown` is the page that is open."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.shown: Shown | None = None

    async def open(self, path: str) -> Shown:
        response = await self.client.get(path, headers={"Accept": "text/html"})
        self.shown = Shown(response)
        return self.shown

    async def send(self, action: str, **fields: str | list[str]) -> Shown:
        """The open page's form with this action, its hidden fields included."""
        assert self.shown, "no page is open"
        data = self.shown.form(action) | fields
        response = await self.client.post(action, data=data, headers={"Accept": "text/html"})
        self.shown = Shown(response)
        return self.shown

    async def sign_in(self, credential: str, next: str = "/") -> Shown:
        await self.open(f"/login?next={next}")
        return await self.send("/login", credential=credential)


@asynccontextmanager
async def a_visitor(app: Litestar) -> AsyncIterator[Visitor]:
    """Who is not signed in."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type] # Litestar is stricter
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api.test", follow_redirects=True
    ) as client:
        yield Visitor(client)


@asynccontextmanager
async def signed_in(
    app: Litestar, *roles: str, tenant_id: str = A_TENANT, user: str = "ann"
) -> AsyncIterator[Visitor]:
    """A user of the tenant with these roles, signed in with a token of the platform."""
    async with a_visitor(app) as visitor:
        await visitor.sign_in(a_token(*roles, tenant_id=tenant_id, user=user))
        yield visitor


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: Tags = []
        self.words: list[str] = []
        self.forms: dict[str, dict[str, list[str]]] = {}
        self._form: dict[str, list[str]] | None = None
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag in ("script", "style", "title"):
            self._silent += 1
        if tag == "form" and attributes.get("method") == "post":
            self._form = self.forms.setdefault(str(attributes.get("action")), {})
        if tag == "input" and attributes.get("type") == "hidden" and self._form is not None:
            values = self._form.setdefault(str(attributes["name"]), [])
            values.append(str(attributes.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "title"):
            self._silent -= 1
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)
