"""The style sheet and the scripts: read once, served under a digest of their text, kept for a year.

They hold nothing of a tenant, so they are public.
"""

from hashlib import sha256
from importlib.resources import files
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter

from api.access.authentication import PUBLIC

Segment = Annotated[str, PathParameter()]

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_KEPT = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Asset(msgspec.Struct, frozen=True):
    """One file of the package."""

    name: str
    content: bytes

    @property
    def path(self) -> str:
        """Where it is served: another text has another path."""
        return f"/assets/{sha256(self.content).hexdigest()[:16]}/{self.name}"


ASSETS = {
    name: Asset(name, (files("api.pages") / "assets" / name).read_bytes())
    for name in ("style.css", "htmx.min.js", "pages.js", "icon.svg")
}


def asset_path(name: str) -> str:
    return ASSETS[name].path


@get("/assets/{digest:str}/{name:str}", opt=PUBLIC, include_in_schema=False)
async def show_asset(digest: Segment, name: Segment) -> Response[bytes]:
    """The file; whatever digest is asked for, while an update goes on, the one that is here."""
    if name not in ASSETS:
        raise NotFoundException
    # A digest of another version is answered, too, but not kept.
    asset = ASSETS[name]
    is_this = asset.path == f"/assets/{digest}/{name}"
    media_type = _TYPES[name.rpartition(".")[2]]
    return Response(asset.content, media_type=media_type, headers=_KEPT if is_this else None)
