"""Examples of request bodies, by the type of the body; every area adds its own."""

from collections.abc import Mapping

import msgspec

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
