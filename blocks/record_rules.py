"""What both record stores agree on: which records they take, what a condition means, how records are ordered."""

from datetime import UTC
from functools import cache
from typing import Any, cast

import msgspec

from blocks.contracts.records import Record
from blocks.ports import Contains, Where

# What Cosmos DB takes; the embedded store keeps to it, so that what works on a laptop works in the cloud.
ID_LENGTH_MAX = 255
DOCUMENT_BYTES_MAX = 2_000_000
_NOT_IN_AN_ID = frozenset("/\\?#")


def check_record(tenant_id: str, record: Record) -> None:
    """Raises `ValueError` for a record of another tenant, or under an id that cannot be stored."""
    if record.tenant_id != tenant_id:
        raise ValueError(f"{name(type(record), record.id)} belongs to another tenant")
    if not is_storable(record.id):
        raise ValueError(
            f"{record.id!r} cannot be the id of a record: 1 to {ID_LENGTH_MAX} characters, none of / \\ ? #"
        )


def check_size(body: bytes) -> None:
    """Raises `ValueError` for a record that Cosmos DB would not take."""
    if len(body) > DOCUMENT_BYTES_MAX:
        raise ValueError(f"a record may have {DOCUMENT_BYTES_MAX} bytes, this one has {len(body)}")


def is_storable(id: str) -> bool:
    """False for an id under which no record can exist."""
    return 0 < len(id) <= ID_LENGTH_MAX and _NOT_IN_AN_ID.isdisjoint(id) and not id.endswith(" ")


def tag(kind: type[Record]) -> str:
    """What `kind` says in a stored record of this class."""
    return cast("str", kind.__struct_config__.tag)


def name(kind: type[Record], id: str) -> str:
    """A record in a message for people."""
    return f"{tag(kind)} {id}"


def sort_key(record: Record) -> str:
    """Text that compares as (`created_at`, `id`) does. ISO 8601 alone would not: its fraction may be missing."""
    return f"{record.created_at.astimezone(UTC).isoformat(timespec='microseconds')} {record.id}"


def conditions(kind: type[Record], where: Where | None) -> dict[str, Contains | list[Any]]:
    """JSON key to what its value must be: one of these JSON values (None: null or missing), or a list that contains.

    Raises `ValueError` for a field that the record does not have, or a value that is no scalar.
    """
    keys = _keys(kind)
    unknown = set(where or ()) - set(keys)
    if unknown:
        raise ValueError(f"{tag(kind)} has no field {', '.join(sorted(unknown))}")
    return {keys[field]: _wanted(value) for field, value in (where or {}).items()}


@cache
def _keys(kind: type[Record]) -> dict[str, str]:
    """Field to JSON key. Resolving a class's annotations takes longer than the query."""
    return {field.name: field.encode_name for field in msgspec.structs.fields(kind)}


def _wanted(value: Any) -> Contains | list[Any]:
    if isinstance(value, Contains):
        return value
    values = [msgspec.to_builtins(one) for one in (value if isinstance(value, tuple) else (value,))]
    if not all(one is None or isinstance(one, str | int | float) for one in values):
        raise ValueError(f"a query compares with scalars, not with {value!r}")
    return values
