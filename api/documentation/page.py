"""`/docs`: Swagger UI over our document, `/docs/compatible`: over the other one.

Its files are part of the package: the page works without a network and reveals its reader to no
one. `browser` holds swagger-ui-dist 5.35.0 as npm has it, its licence, and two files of our own.
"""

from pathlib import Path

from litestar import MediaType, Router, get
from litestar.handlers import HTTPRouteHandler
from litestar.static_files import create_static_files_router

from api.access.authentication import PUBLIC
from api.documentation.exported import FOLDER
from api.documentation.parts import Part

PATHS: dict[Part, str] = {"openapi": "/docs", "compatible": "/docs/compatible"}
ASSETS = "/docs/assets"
BROWSER = Path(__file__).with_name("browser")

_LINKS: dict[Part, str] = {"openapi": "API", "compatible": "Compatible routes"}

HEADERS = {
    # Files of this server only; Swagger UI has its icons in its style sheet.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
}


def browser_routes() -> list[HTTPRouteHandler | Router]:
    files = create_static_files_router(
        ASSETS, directories=[BROWSER], include_in_schema=False, opt=PUBLIC, name="docs-assets"
    )
    return [*(_page_route(part) for part in PATHS), files]


def _page_route(part: Part) -> HTTPRouteHandler:
    @get(
        PATHS[part],
        media_type=MediaType.HTML,
        include_in_schema=False,
        response_headers=HEADERS,
        opt=PUBLIC,
        sync_to_thread=False,
    )
    def show_documentation() -> str:
        return _page(part)

    return show_documentation


def _page(part: Part) -> str:
    links = "".join(
        f'<a href="{PATHS[one]}"{" aria-current=page" if one == part else ""}>{text}</a>'
        for one, text in _LINKS.items()
    )
    file = f"{FOLDER}/{part}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_LINKS[part]} · workflow-orchestrator</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{ASSETS}/swagger-ui.css">
<link rel="stylesheet" href="{ASSETS}/page.css">
</head>
<body>
<nav>{links}<a href="{file}.json">JSON</a><a href="{file}.yaml">YAML</a></nav>
<main id="browser" data-document="{file}.json"></main>
<noscript>This page needs scripts; <a href="{file}.yaml">the document</a> needs none.</noscript>
<script src="{ASSETS}/swagger-ui-bundle.js"></script>
<script src="{ASSETS}/page.js"></script>
</body>
</html>
"""
