"""What a record, an event and a response can carry on: JSON has limits of its own, and a decoder
may be wider.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

DEPTH_MAX = 100
"""So deep may objects and lists be nested; a record puts a few levels around what it keeps."""

_WHOLE_MIN, _WHOLE_MAX = -(2**63), 2**64 - 1


def uncarriable(data: msgspec.Struct) -> str | None:
    """Why the values in this Struct could not be written down again; None: they can be."""
    for name in data.__struct_fields__:
        for value, depth in _within(getattr(data, name)):
            if depth > DEPTH_MAX:
                return f"{name} is nested deeper than {DEPTH_MAX} levels"
            if isinstance(value, int) and not _WHOLE_MIN <= value <= _WHOLE_MAX:
                return f"{name} has a whole number of more than 64 bits"
    return None


def _within(value: Any) -> Iterator[tuple[Any, int]]:
    """The value and all that it holds, each with its depth; no recursion, and nothing below the
    greatest depth.
    """
    pending = [(value, 0)]
    while pending:
        value, depth = pending.pop()
        yield value, depth
        if depth <= DEPTH_MAX and isinstance(value, dict | list):
            pending += [
                (inner, depth + 1)
                for inner in (value.values() if isinstance(value, dict) else value)
            ]
