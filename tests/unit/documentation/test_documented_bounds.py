"""The OpenAPI document has every bound that msgspec holds a body to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from litestar import Litestar, post
from litestar.params import JSONBody

from api.documentation.bounds import BoundedStructs
from blocks.contracts.events import JsonObject
from tests.support.api.api_client import an_api
from tests.support.api.documents import request_bodies

Part = Annotated[float, msgspec.Meta(gt=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=10, multiple_of=2)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=5, pattern="^a")]


class Inner(msgspec.Struct):
    count: Count | None = None


class Nested(msgspec.Struct):
    plain: Part
    or_null: Part | None
    or_absent: Count | msgspec.UnsetType = msgspec.UNSET
    either: Part | Name | None = None
    described: Annotated[Count | Name, msgspec.Meta(description="x")] | None = None
    items: list[Part] = []
    few: Annotated[list[Part | None], msgspec.Meta(min_length=0, max_length=3)] | None = None
    many: tuple[Name, ...] = ()
    by_name: dict[Name, list[Count]] | None = None
    unique: set[Count] = set()
    inner: Inner | None = None


@post("/")
async def take(data: JSONBody[Nested]) -> None: ...


def test_a_bound_is_documented_wherever_it_stands() -> None:
    app = Litestar([take], plugins=[BoundedStructs()])
    documented = app.openapi_schema.to_schema()["components"]["schemas"]

    for struct in (Nested, Inner):
        for name, bounds in _bounds_of(struct).items():
            assert bounds <= set(_bounds(documented[struct.__name__]["properties"][name])), name


async def test_every_bound_of_every_body_is_documented(tmp_path: Path) -> None:
    async with an_api(tmp_path) as api:
        documented = api.app.openapi_schema.to_schema()["components"]["schemas"]
        bodies = set(request_bodies(api.app))

    compared = [
        (body.__name__, name, bounds - set(_bounds(documented[body.__name__]["properties"][name])))
        for body in bodies
        for name, bounds in _bounds_of(body).items()
    ]

    assert len(compared) > 50
    assert [] == [one for one in compared if one[2]]


@pytest.mark.parametrize(
    ("body", "field"),
    [("NewPrompt", "expiry_hours"), ("WantedStep", "timeoutSeconds")],
)
async def test_a_span_that_may_be_left_out_is_more_than_0(
    tmp_path: Path, body: str, field: str
) -> None:
    async with an_api(tmp_path) as api:
        documented = api.app.openapi_schema.to_schema()["components"]["schemas"]

    assert ("exclusiveMinimum", 0) in set(_bounds(documented[body]["properties"][field]))


_KEYWORDS = {
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
}


def _bounds(schema: object) -> Iterator[tuple[str, object]]:
    """Keyword and value of every bound in this schema, however deep, without other structs."""
    if isinstance(schema, list):
        for member in schema:
            yield from _bounds(member)
    elif isinstance(schema, dict):
        for keyword, value in schema.items():
            if keyword in _KEYWORDS:
                yield keyword, value
            elif keyword not in ("default", "example", "examples"):
                yield from _bounds(value)


def _bounds_of(struct: type[msgspec.Struct]) -> dict[str, set[tuple[str, object]]]:
    """By field, as msgspec itself documents them."""
    _, components = msgspec.json.schema_components([struct], schema_hook=lambda _: {})
    properties: JsonObject = components[struct.__name__]["properties"]
    return {name: set(_bounds(schema)) for name, schema in properties.items()}
