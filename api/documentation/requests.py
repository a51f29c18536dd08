"""Examples of request bodies, by the type of the body; every area adds its own."""

from collections.abc import Mapping

from api.http.documents import Document

_examples: dict[str, Document] = {}


def add_requests(*examples: Document) -> None:
    """From now on, the document shows these bodies. Raises `ValueError` for a second of a type."""
    for example in examples:
        name = type(example).__name__
        if name in _examples:
            raise ValueError(f"{name} has an example already")
        _examples[name] = example


def request_examples() -> Mapping[str, Document]:
    """By the name of their schema."""
    return _examples
