"""The base of everything that is decoded: one spelling of UUIDs and one time zone for all inputs.

msgspec decodes a `datetime` with or without a time zone and has no hook for a type that it knows.
So the Struct itself normalises its fields, in a decoder, a conversion, a `replace` or a
constructor.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from blocks.contracts.reading.moments import bound_of_search, in_utc
from blocks.contracts.reading.uuids import matching_id, required_uuid

OUR_ID = msgspec.Meta(extra_json_schema={"format": "uuid"}, extra={"normalise": "uuid"})
"""Marks a text as an id of ours: `Annotated[str, OUR_ID]`."""

MATCHING_ID = msgspec.Meta(extra={"normalise": "matching id"})

SEARCH_BOUND = msgspec.Meta(extra={"normalise": "bound of a search"})
"""Marks a moment, or milliseconds since 1970, from which or until which is searched."""

MatchingId = Annotated[str, MATCHING_ID]
"""An id of another system, in the spelling by which it is compared."""

Read = Callable[[Any], Any]

_OF_MARKS: tuple[tuple[msgspec.Meta, Read], ...] = (
    (OUR_ID, required_uuid),
    (MATCHING_ID, matching_id),
    (SEARCH_BOUND, bound_of_search),
)


class Normalised(msgspec.Struct, frozen=True):
    """Every moment in it is aware and in UTC, one marked `SEARCH_BOUND` moved to the limit where
    another would be refused, every text marked `OUR_ID` a UUID in lower case, or
    empty, and a UUID marked `MATCHING_ID` is in lower case, too.

    What cannot be is a `ValueError`, which msgspec's decoders turn into a `ValidationError` with
    its path.
    """

    def __post_init__(self) -> None:
        for name, on_wire, read in _readings(type(self)):
            value = getattr(self, name)
            if value is None or value is msgspec.UNSET:
                continue
            try:
                normal = read(value)
            except ValueError as error:
                raise ValueError(f"{on_wire}: {error}") from None
            if normal is not value:
                msgspec.structs.force_setattr(self, name, normal)


@cache
def _readings(kind: type[Normalised]) -> tuple[tuple[str, str, Read], ...]:
    """Of the fields that are normalised: their names, here and on the wire, and how."""
    fields = (
        (field.name, field.encode_name, reading(field.type))
        for field in msgspec.structs.fields(kind)
    )
    return tuple((name, on_wire, read) for name, on_wire, read in fields if read)


def reading(kind: Any) -> Read | None:
    """How a value of this type is normalised; None: as it is."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is datetime:
        return in_utc
    if origin is Annotated:
        marks = (read for mark, read in _OF_MARKS if mark in args[1:])
        return next(marks, None) or reading(args[0])
    if origin in (Union, UnionType):
        return next((read for read in map(reading, args) if read), None)
    if origin in (list, tuple) and (read := reading(args[0])):
        each = read
        return lambda values: origin(each(value) for value in values)
    return None
