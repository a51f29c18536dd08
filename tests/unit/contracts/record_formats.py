"""The formats of all records as data: `python -m tests.unit.contracts.record_formats` prints them.

A release keeps them in `record_formats.json`; what comes after has to read and to write the same.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from blocks.contracts import records
from blocks.contracts.records import Record

for module in pkgutil.iter_modules(records.__path__):
    importlib.import_module(f"{records.__name__}.{module.name}")


class Field(msgspec.Struct, frozen=True):
    """A field on disk: whether a reader needs it, and the JSON types it may have."""

    required: bool
    types: tuple[str, ...]


Format = dict[str, Field]
Formats = dict[str, Format]


def formats() -> Formats:
    """Of each Struct that a record is or holds, by its name."""
    found: Formats = {}
    pending: list[Any] = list(_kinds(Record))
    while pending:
        kind = inspect.type_info(pending.pop())
        if not isinstance(kind, inspect.StructType) or kind.cls.__name__ in found:
            continue
        found[kind.cls.__name__] = {
            field.encode_name: Field(field.required, tuple(sorted(set(_types(field.type)))))
            for field in kind.fields
        }
        pending += [one for field in kind.fields for one in _structs(field.type)]
    return dict(sorted(found.items()))


def _kinds(base: type[Record]) -> Iterator[type[Record]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith(records.__name__):  # and not forms of the older service
            yield kind
            yield from _kinds(kind)


def _inner(type_: inspect.Type) -> list[inspect.Type]:
    match type_:
        case inspect.UnionType(types=types):
            return list(types)
        case inspect.DictType(value_type=value):
            return [value]
        case inspect.CollectionType(item_type=item):
            return [item]
        case inspect.TupleType(item_types=items):
            return list(items)
        case inspect.Metadata(type=inner):
            return [inner]
        case _:
            return []


def _structs(type_: inspect.Type) -> Iterator[type]:
    if isinstance(type_, inspect.StructType):
        yield type_.cls
    for inner in _inner(type_):
        yield from _structs(inner)


def _types(type_: inspect.Type) -> Iterator[str]:
    match type_:
        case inspect.UnionType() | inspect.Metadata():
            for inner in _inner(type_):
                yield from _types(inner)
        case inspect.StructType(cls=cls):
            yield cls.__name__
        case inspect.LiteralType(values=values):
            yield from (repr(value) for value in values)
        case inspect.CollectionType() | inspect.DictType() | inspect.TupleType():
            held = sorted({name for inner in _inner(type_) for name in _types(inner)})
            yield f"{type(type_).__name__.removesuffix('Type').lower()} of {' or '.join(held)}"
        case _:
            yield type(type_).__name__.removesuffix("Type").lower()


if __name__ == "__main__":
    lines = (f'"{name}": {msgspec.json.encode(one).decode()}' for name, one in formats().items())
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
