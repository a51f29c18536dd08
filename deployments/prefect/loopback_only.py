"""Keeps web pages out of a server that listens on this machine alone, without authentication.

CORS only hides answers from a foreign page: a simple request (a bare POST, a body without a content
type) is carried out all the same, and a name that resolves to 127.0.0.1 (DNS rebinding) makes any
page one of our own. A GET for a frame, a script or an image names no origin, but browsers send
where it comes from in `Sec-Fetch-Site`: https://www.w3.org/TR/fetch-metadata/
"""

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import URL, Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LoopbackOnly:
    """Refuses, with 403, what was sent to another name than this machine's, or by a page of another
    origin.

    Programs may use the `hosts`, too: the names by which a private network knows this server.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._may_come_in(Headers(scope=scope)):
            await (_with_the_address_of_its_api(scope) or self._app)(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(code=1008)(scope, receive, send)
        else:
            refusal = PlainTextResponse(
                "only for this machine, and for its own pages", HTTPStatus.FORBIDDEN
            )
            await refusal(scope, receive, send)

    def _may_come_in(self, headers: Headers) -> bool:
        return is_of_this_machine(headers) or is_of_a_program(headers, self._hosts)


def is_of_this_machine(headers: Headers) -> bool:
    """Whether it was sent to this machine's own name, by no page or by one of the
    very same origin.
    """
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or _name(f"//{hosts[0]}") not in LOOPBACK:
        return False
    return (not origins or origins == [f"http://{hosts[0]}"]) and _is_no_part_of_a_foreign_page(
        headers
    )


def is_of_a_program(headers: Headers, hosts: Collection[str]) -> bool:
    """Whether it was sent to one of these names, and by no page at all."""
    stated = headers.getlist("host")
    return (
        len(stated) == 1
        and _name(f"//{stated[0]}") in hosts
        and "origin" not in headers
        and "sec-fetch-site" not in headers
    )


def _with_the_address_of_its_api(scope: Scope) -> RedirectResponse | None:
    """A person who opens a page at `localhost` is led to 127.0.0.1: there the page finds its API at
    its own origin.
    """
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    headers = Headers(scope=scope)
    if (
        _name(f"//{headers.get('host', '')}") != "localhost"
        or headers.get("sec-fetch-dest") != "document"
    ):
        return None
    return RedirectResponse(
        str(URL(scope=scope).replace(hostname="127.0.0.1")), HTTPStatus.TEMPORARY_REDIRECT
    )


def _is_no_part_of_a_foreign_page(headers: Headers) -> bool:
    """A link may lead here from anywhere; a foreign page may neither frame this server's pages nor
    load from it.
    """
    site, destination = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-dest")
    return site in ("same-origin", "none") or destination == "document"


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
