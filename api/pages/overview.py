"""`/`: where a person begins."""

from typing import Any

from litestar import Response, get

from api.pages.rendering import page


@get("/")
async def show_overview() -> Response[Any]:
    return page("overview.html")
