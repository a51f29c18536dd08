"""Messages for the page that a person sees next."""

from typing import Any, Literal

from litestar import Request
from litestar.plugins.flash import flash as keep

LENGTH_MAX = 300
COUNT_MAX = 8
"""They travel in the session's cookie, of which browsers keep about 4 KB beside the credential."""


def flash(request: Request[Any, Any, Any], text: str, tone: Literal["done", "problem"]) -> None:
    """Shown once, on top of the next page; a long one is cut, one too many left out."""
    if len(request.session.get("_messages", ())) < COUNT_MAX:
        keep(request, text if len(text) <= LENGTH_MAX else f"{text[: LENGTH_MAX - 1]}…", tone)
