"""The documents as files: `/schema/openapi.json`, `/schema/compatible.json`, and both as YAML."""

import asyncio
import re
from typing import Any

import yaml
from litestar import Litestar, MediaType, Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import OpenAPIRenderPlugin

from api.access.authentication import PUBLIC
from api.documentation.parts import PARTS, Part, document_of, json_of

FOLDER = "/schema"
YAML = "application/yaml"
"""RFC 9512."""


class JsonDocument(OpenAPIRenderPlugin):
    """Serves one part, below the router of the documentation."""

    def __init__(self, part: Part) -> None:
        super().__init__(path=f"/{part}.json", media_type=MediaType.JSON)
        self._part = part

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return json_of(request.app, self._part)


def yaml_routes() -> list[HTTPRouteHandler]:
    return [_yaml_route(part) for part in PARTS]


def _yaml_route(part: Part) -> HTTPRouteHandler:
    @get(f"{FOLDER}/{part}.yaml", media_type=YAML, include_in_schema=False, opt=PUBLIC)
    async def read_yaml(request: Request[Any, Any, Any]) -> bytes:
        """Written once per process, in a thread: that takes a second."""
        state, name = request.app.state, f"{part}.yaml"
        if name not in state:
            state[name] = asyncio.create_task(asyncio.to_thread(yaml_of, request.app, part))
        written: bytes = await asyncio.shield(state[name])
        return written

    return read_yaml


def yaml_of(app: Litestar, part: Part) -> bytes:
    """The document as YAML, readable with YAML 1.1 and 1.2."""
    text: str = yaml.dump(
        document_of(app, part), Dumper=YamlDumper, sort_keys=False, allow_unicode=True, width=100
    )
    return text.encode()


class YamlDumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True

    def text(self, data: str) -> yaml.ScalarNode:
        """Paragraphs as they are read, not as one quoted line."""
        return self.represent_scalar(
            "tag:yaml.org,2002:str", data, style="|" if "\n" in data else None
        )


YamlDumper.add_representer(str, YamlDumper.text)

# YAML 1.2 reads the text 1e3 as a number, which is none in YAML 1.1: it needs quotes.
YamlDumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
