"""Pages for people in a browser: plain HTML that runs nothing and loads nothing.

Whatever comes from outside is escaped by the templates; the one text that may have a shape, an
approval's summary, is Markdown without HTML and without pictures.
"""

import re
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response
from markdown_it import MarkdownIt
from markupsafe import Markup

_markdown = MarkdownIt("js-default", {"html": False, "linkify": False}).disable("image")
_markdown.validateLink = lambda url: url.startswith(("https://", "http://", "mailto:"))  # type: ignore[method-assign]
_pages = Environment(
    loader=PackageLoader("api.approvals", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, status: int = 200, **facts: Any) -> Response[str]:
    """The page of this template; the token in its address stays in no cache, no `Referer` and no
    frame.
    """
    body = _pages.get_template(template).render(style=_STYLE, **facts)
    return Response(body, status_code=status, media_type=MediaType.HTML, headers=_HEADERS)


def moment(at: datetime) -> str:
    """`2 March 2026, 12:00 UTC`"""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def markdown(text: str) -> Markup:
    """The text as HTML; HTML in it is text, and its links lead to web or mail addresses only."""
    return Markup(_markdown.render(text))  # escaped by the parser, whose option `html` is off


def scalar(value: object) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.6g}" if abs(value) < 1000 else f"{value:,.2f}".removesuffix(".00")
        case _:
            return str(value)


def words(name: str) -> str:
    """A field's name as people write: `detectedRisks` becomes `Detected risks`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_.-]+", " ", name).strip()
    return apart[:1].upper() + re.sub(
        r" ([A-Z])(?=[a-z])", lambda found: found[0].lower(), apart[1:]
    )


def as_json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


_pages.filters.update(moment=moment, markdown=markdown, scalar=scalar, words=words, json=as_json)

_STYLE = _pages.get_template("style.css").render()

_HEADERS = {
    # Only this very style; forms go back to where they came from; no script, picture or frame at
    # all.
    "Content-Security-Policy": "default-src 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
