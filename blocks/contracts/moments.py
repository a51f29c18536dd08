"""Which moments are let in: those that stay moments whatever is added to them, in every time zone."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

YEAR_MIN, YEAR_MAX = 1900, 2199


def is_within(moment: datetime) -> bool:
    return YEAR_MIN <= moment.year <= YEAR_MAX


def check_moments(sent: msgspec.Struct) -> None:
    """Raises `ValueError`, which msgspec tells as a field's problem, for a moment outside of these years."""
    for field, moment in _moments(sent):
        if not is_within(moment):
            raise ValueError(f"Expected a moment from {YEAR_MIN} to {YEAR_MAX} in `{field}`")


def _moments(value: Any, field: str = "") -> Iterator[tuple[str, datetime]]:
    """Field and moment of each, nested ones included; free JSON holds none."""
    match value:
        case datetime():
            yield field, value
        case msgspec.Struct():
            for one in msgspec.structs.fields(value):
                yield from _moments(getattr(value, one.name), one.encode_name)
        case list() | tuple():
            for item in value:
                yield from _moments(item, field)
