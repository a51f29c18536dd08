"""JSON in which a key stands twice in one object: parsers differ in which of the two counts.

Ours takes the last, the system before it or a person may see the first: an amount that evades a
rule. RFC 8259 (4) calls the behaviour unpredictable.
"""

import json
from typing import Any

from blocks.contracts.reading.numbers import shown


class RepeatedKey(Exception):
    """The message names the key."""


def refuse_repeated_keys(body: bytes | memoryview) -> None:
    """Raises `RepeatedKey` for one in an object at any depth, however it is spelled, and
    `ValueError` or `RecursionError` for what is no JSON, or nested too deep."""
    _decoder.decode(str(body, "utf-8"))


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len(keys := {key for key, _ in pairs}) < len(pairs):
        for key, _ in pairs:
            if key not in keys:
                raise RepeatedKey(f"the key {shown(key)} stands twice in one object")
            keys.remove(key)


# As floats, numbers of any length cost little and raise nothing.
_decoder = json.JSONDecoder(object_pairs_hook=_once, parse_int=float, strict=False)
