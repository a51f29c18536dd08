"""The OpenAPI document as a file: `/openapi.yaml`, beside `/docs/openapi.json`."""

import asyncio
import re
from typing import Any

import msgspec
import yaml
from litestar import Litestar, Request, get
from litestar.serialization import encode_json, get_serializer

from api.access.authentication import PUBLIC
from api.documentation.page import HEADERS

MEDIA_TYPE = "application/yaml"
"""RFC 9512."""

_STATE = "openapi_yaml"


@get(
    ["/openapi.yaml", "/docs/openapi.yaml"],
    media_type=MEDIA_TYPE,
    include_in_schema=False,
    response_headers=HEADERS,
    opt=PUBLIC,
)
async def read_openapi(request: Request[Any, Any, Any]) -> bytes:
    """The document as YAML, written once per process, in a thread: that takes a second."""
    state = request.app.state
    if _STATE not in state:
        state[_STATE] = asyncio.create_task(asyncio.to_thread(_written, request.app))
    written: bytes = await asyncio.shield(state[_STATE])
    return written


def _written(app: Litestar) -> bytes:
    return openapi_yaml(openapi_json(app))


def openapi_json(app: Litestar) -> bytes:
    """The document of this application, as `/docs/openapi.json` answers it."""
    return encode_json(app.openapi_schema.to_schema(), serializer=get_serializer(app.type_encoders))


def openapi_yaml(document: bytes) -> bytes:
    """The JSON document as YAML, readable with YAML 1.1 and 1.2."""
    tree = msgspec.json.decode(document)
    text: str = yaml.dump(tree, Dumper=YamlDumper, sort_keys=False, allow_unicode=True, width=100)
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
