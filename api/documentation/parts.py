"""The two documents: our API, and what is kept for clients of the systems it replaces.

A route states once to which it belongs: it is deprecated, or its router has the option
`COMPATIBLE`; all others are ours.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from api.documentation.completed import completed, handlers, operations
from api.http.deprecation import COMPATIBLE
from blocks.contracts.events import JsonObject

Part = Literal["openapi", "compatible"]
"""Which document; also its name on the wire."""

PARTS: tuple[Part, ...] = get_args(Part)

_COMPATIBLE_INFO = {
    "title": "workflow-orchestrator, compatible routes",
    "description": """\
What is kept for clients of the systems that the workflow orchestrator replaces or works with, to
the letter: deprecated routes, each of which names the one to use instead, and routes whose form
other services define.

New clients use [the other document](/docs). Credentials, tenants and roles are the same there.
""",
}
_STATE = "documents"


def document_of(app: Litestar, part: Part) -> JsonObject:
    """The document of this part, made once per application."""
    if _STATE not in app.state:
        whole = completed(app)
        parts = {place: part_of(handler) for place, handler in handlers(app).items()}
        app.state[_STATE] = {one: _only(whole, one, parts) for one in PARTS}
    document: JsonObject = app.state[_STATE][part]
    return document


def json_of(app: Litestar, part: Part) -> bytes:
    return msgspec.json.encode(document_of(app, part))


def part_of(handler: HTTPRouteHandler) -> Part:
    """The only place that decides it."""
    is_compatible = handler.deprecated or COMPATIBLE.items() <= handler.opt.items()
    return "compatible" if is_compatible else "openapi"


def _only(whole: JsonObject, part: Part, parts: Mapping[tuple[str, str], Part]) -> JsonObject:
    paths: dict[str, JsonObject] = {}
    for path, method, operation in operations(whole):
        if parts[path, method] == part:
            paths.setdefault(path, {})[method] = operation
    document = {**whole, "paths": paths}
    tags = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
    return document | {
        "info": whole["info"] | (_COMPATIBLE_INFO if part == "compatible" else {}),
        "tags": [tag for tag in whole["tags"] if tag["name"] in tags],
        "components": _needed(whole["components"], paths),
    }


def _needed(components: JsonObject, paths: JsonObject) -> JsonObject:
    """The components to which the paths refer, directly or through others."""
    needed: set[tuple[str, str]] = set()
    open_references = set(_references(paths))
    while open_references:
        needed |= open_references
        found = _references([components[kind][name] for kind, name in open_references])
        open_references = set(found) - needed
    kept = {
        kind: {name: one for name, one in named.items() if (kind, name) in needed}
        for kind, named in components.items()
    }
    return kept | {"securitySchemes": components["securitySchemes"]}


def _references(tree: object) -> Iterator[tuple[str, str]]:
    """Kind and name of every component that is referred to."""
    if isinstance(tree, dict):
        if isinstance(reference := tree.get("$ref"), str):
            _, _, kind, name = reference.split("/")
            yield kind, name
        yield from _in_each(tree.values())
    elif isinstance(tree, list):
        yield from _in_each(tree)


def _in_each(trees: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for tree in trees:
        yield from _references(tree)
