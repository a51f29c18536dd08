"""How the documents of one container become records."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from blocks.contracts.records import Record

Document = Mapping[str, Any]


class Unreadable(ValueError):
    """This document cannot be read without doubt; the message is the reason, for a person."""


class OlderForm(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for one kind of record in the older service's documents."""

    read: Callable[[Document], Record]
    """Raises `Unreadable`."""
    constant: Mapping[str, Any]
    """JSON keys of the record that have this value whatever the document holds: a query for
    another value need not look at the documents.
    """
    choices: Mapping[str, tuple[str, ...]]
    """JSON keys of the record that have one of these values: likewise."""
    verbatim: Mapping[str, str]
    """JSON keys of the record whose value is this key's text in the document: a store can compare
    them.
    """


def constants(sample: Record, varying: frozenset[str]) -> dict[str, Any]:
    """All fields of the sample but the varying ones, as JSON."""
    fields: dict[str, Any] = msgspec.to_builtins(sample)
    return {key: value for key, value in fields.items() if key not in varying}
