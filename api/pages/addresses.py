"""Where a browser is sent next: always a path of ours."""

import re
from urllib.parse import quote

HOME = "/"

_OWN = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}", re.ASCII)
"""A path and nothing else: `//host` and `/\\host` lead elsewhere."""


def own_path(stated: str | None) -> str:
    """The path if it is one of ours, else the first page."""
    return stated if stated and _OWN.fullmatch(stated) else HOME


def login_path(back_to: str) -> str:
    """The login, and from there to this page."""
    target = own_path(back_to)
    return "/login" if target == HOME else f"/login?next={quote(target, safe='/')}"
