"""Everything that is wrong with a body, not only the first.

msgspec stops at the first error and Litestar reports what msgspec does, for a body as a whole. So
a body that was refused is decoded again in parts, each by msgspec: here is only the way down.
"""

import re
from collections.abc import Iterator
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from api.http.refusals.documents import Problem

PROBLEMS_MAX = 50

Path = tuple[str, ...]


def body_problems(value: Any, kind: Any, *, strict: bool) -> list[Problem]:
    """What keeps a decoded JSON value from being a `kind`, at most `PROBLEMS_MAX`; none if it is
    one.
    """
    return list(islice(_problems(value, kind, (), strict), PROBLEMS_MAX))


def problem_at(path: Path, message: str) -> Problem:
    """Of the value at this path in the body."""
    return Problem(
        message=message, field=".".join(path) or None, source="body", pointer=pointer_of(path)
    )


def pointer_of(path: Path) -> str:
    """As RFC 6901 writes it."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


def _problems(value: Any, kind: Any, path: Path, strict: bool) -> Iterator[Problem]:
    try:
        msgspec.convert(value, kind, strict=strict, str_keys=True)
    except msgspec.ValidationError as error:
        inside = _inside(value, kind, path, strict)
        first = next(inside, None)
        if first is None:
            yield _own(error, path)
        else:
            yield first
            yield from inside


def _inside(value: Any, kind: Any, path: Path, strict: bool) -> Iterator[Problem]:
    """Of the parts of the value; nothing if it has not even the shape."""
    for member in _members(kind):
        origin, args = get_origin(member), get_args(member)
        if (
            isinstance(value, dict)
            and isinstance(member, type)
            and issubclass(member, msgspec.Struct)
        ):
            yield from _of_struct(value, member, path, strict)
        elif isinstance(value, dict) and origin is dict:
            for name, part in value.items():
                yield from _problems(part, args[1], (*path, str(name)), strict)
        elif isinstance(value, list) and origin in (list, tuple, frozenset, set):
            for index, part in enumerate(value):
                yield from _problems(part, args[0], (*path, str(index)), strict)


def _of_struct(
    value: dict[str, Any], kind: type[msgspec.Struct], path: Path, strict: bool
) -> Iterator[Problem]:
    fields = msgspec.structs.fields(kind)
    for field in fields:
        if field.encode_name in value:
            inside = (*path, field.encode_name)
            yield from _problems(value[field.encode_name], field.type, inside, strict)
        elif field.required:
            yield problem_at((*path, field.encode_name), "is required")
    if kind.__struct_config__.forbid_unknown_fields:
        for name in value.keys() - {field.encode_name for field in fields}:
            yield problem_at((*path, str(name)), "is an unknown field")


def _members(kind: Any) -> Iterator[Any]:
    """Of a union each, without what annotates them."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _members(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for member in get_args(kind):
            yield from _members(member)
    else:
        yield kind


def _own(error: msgspec.ValidationError, path: Path) -> Problem:
    """Of the value as such; a Struct that normalises its fields names the one it means."""
    message = str(error).split(" - at ", 1)[0].replace("`", "")
    named = re.fullmatch(r"(\w+): (.+)", message, re.DOTALL)
    return problem_at((*path, named[1]), named[2]) if named else problem_at(path, message)
