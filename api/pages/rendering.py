"""Templates of pages: what they know besides what a route gives them.

Every text is escaped; the one that may have a shape is Markdown without HTML (`markdown`). Each
template has `request` (its `user` is the identity that looks) and `csrf_input`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from litestar import MediaType, Request
from litestar.plugins.flash import get_flashes
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.template import TemplateConfig

from api.pages.assets import asset_path
from api.pages.navigation import navigation
from api.pages.texts import as_json, markdown, scalar, words
from blocks.clock import utc_now

HEADERS: Mapping[str, str] = {
    # Our own files alone; no inline script or style, no frame, nothing from elsewhere.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}
"""Of every page."""


def page(template: str, /, status: int = 200, **facts: Any) -> Template:
    """The page, or the part of one, that this template makes of these facts."""
    return Template(
        template,
        context=facts,
        status_code=status,
        media_type=MediaType.HTML,
        headers=dict(HEADERS),
    )


def is_part(request: Request[Any, Any, Any]) -> bool:
    """Whether a page that is open asks for the part that updates itself, and not for the page."""
    return bool(request.headers.get("hx-request"))


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(_environment()))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        get_flashes=pass_context(get_flashes), asset=asset_path, navigation=navigation, now=utc_now
    )
    environment.filters.update(
        rfc3339=rfc3339,
        moment=moment,
        since=since,
        duration=duration,
        markdown=markdown,
        scalar=scalar,
        words=words,
        json=as_json,
    )
    return environment


def rfc3339(at: datetime) -> str:
    """`2026-03-02T12:00:00Z`"""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def moment(at: datetime) -> str:
    """`2 Mar 2026, 12:00 UTC`, which a script shows in the viewer's zone."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def since(at: datetime) -> str:
    """`2 hours ago`, `in 3 days`, `yesterday`: the words that `pages.js` goes on with, so that
    nothing moves when it begins.
    """
    seconds = (at - utc_now()).total_seconds()
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if abs(seconds) >= size:
            count, is_past = int(abs(seconds) / size), seconds < 0
            if unit == "day" and count == 1:
                return "yesterday" if is_past else "tomorrow"
            text = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{text} ago" if is_past else f"in {text}"
    return "just now" if seconds < 0 else "in a moment"


def duration(seconds: float) -> str:
    """`340 ms`, `12.4 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`: two units at most."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    for size, unit, below, smaller in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
