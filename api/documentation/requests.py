"""Request bodies in the document: examples by the type of the body, which every area adds, and
bodies that a route reads by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)

_examples: dict[str, msgspec.Struct] = {}


def add_requests(*examples: msgspec.Struct) -> None:
    """From now on, the document shows these bodies. Raises `ValueError` for a second of a type."""
    for example in examples:
        name = type(example).__name__
        if name in _examples:
            raise ValueError(f"{name} has an example already")
        _examples[name] = example


def request_examples() -> Mapping[str, msgspec.Struct]:
    """By the name of their schema."""
    return _examples


def operation_with_body(
    schema: Schema, *, required: bool = True, **examples: Any
) -> type[Operation]:
    """For `operation_class` of a route whose body is no Struct; the examples have names, which are
    those of components.
    """
    shown: dict[str, Example | Reference] = {
        name: Example(summary="Example", value=value) for name, value in examples.items()
    }
    body = RequestBody(
        content={"application/json": OpenAPIMediaType(schema=schema, examples=shown)},
        required=required,
    )

    @dataclass
    class WithBody(Operation):
        def __post_init__(self) -> None:
            self.request_body = body

    return WithBody
