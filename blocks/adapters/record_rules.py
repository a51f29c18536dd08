"""What both record stores agree on: which records they take, what a condition means, how records
are ordered.
"""

from datetime import MAXYEAR, MINYEAR, UTC, datetime
from functools import cache
from typing import Any, cast

import msgspec

from blocks.contracts.records import Record
from blocks.ports import RECORD_BYTES_MAX, Between, Contains, NotAbove, TooLarge, Where

# What Cosmos DB takes; the embedded store keeps to it, so that what works on a laptop works in the
# cloud.
ID_LENGTH_MAX = 255
_NOT_IN_AN_ID = frozenset("/\\?#")

Wanted = Contains | NotAbove | list[Any]


def check_record(tenant_id: str, record: Record) -> None:
    """Raises `ValueError` for a record of another tenant, or under an id that cannot be stored."""
    if record.tenant_id != tenant_id:
        raise ValueError(f"{name(type(record), record.id)} belongs to another tenant")
    if not is_storable(record.id):
        raise ValueError(
            f"{record.id!r} cannot be the id of a record: 1 to {ID_LENGTH_MAX} characters, none "
            "of / \\ ? #"
        )


def check_changeable(kind: type[Record]) -> None:
    """Raises `ValueError` for records that are only ever created."""
    if kind.append_only:
        raise ValueError(f"records of kind {tag(kind)} are created, and never changed or deleted")


def check_deletable(kind: type[Record]) -> None:
    """Raises `ValueError` for records that are kept for ever."""
    if not kind.expires:
        check_changeable(kind)


def check_size(body: bytes) -> None:
    """Raises `TooLarge` for a record that Cosmos DB would not take."""
    if len(body) > RECORD_BYTES_MAX:
        raise TooLarge(f"a record may have {RECORD_BYTES_MAX} bytes, this one has {len(body)}")


def is_storable(id: str) -> bool:
    """False for an id under which no record can exist."""
    return 0 < len(id) <= ID_LENGTH_MAX and _NOT_IN_AN_ID.isdisjoint(id) and not id.endswith(" ")


def tag(kind: type[Record]) -> str:
    """The value of `kind` in a stored record of this class."""
    return cast("str", kind.__struct_config__.tag)


def name(kind: type[Record], id: str) -> str:
    """A record in a message for people."""
    return f"{tag(kind)} {id}"


def sort_key(record: Record) -> str:
    """Text that compares as (`created_at`, `id`) does. ISO 8601 alone would not: its fraction may
    be missing.
    """
    return f"{_comparable(record.created_at)} {record.id}"


def conditions(kind: type[Record], where: Where) -> dict[str, Wanted]:
    """JSON key to what its value must be: one of these JSON values (None: null or missing), a list,
    or a number.

    Raises `ValueError` for a field that the record does not have, or a value that is no scalar. For
    `Between`: `ages`.
    """
    keys = _keys(kind)
    unknown = set(where) - set(keys)
    if unknown:
        raise ValueError(f"{tag(kind)} has no field {', '.join(sorted(unknown))}")
    return {
        keys[field]: _wanted(value)
        for field, value in where.items()
        if not isinstance(value, Between)
    }


def ages(where: Where) -> list[tuple[str, str]]:
    """How a record's sort key must compare: `>=` or `<`, and with what. Raises `ValueError` for
    other fields' ages.
    """
    limits = [(field, value) for field, value in where.items() if isinstance(value, Between)]
    if any(field != "created_at" for field, _ in limits):
        raise ValueError("only created_at can be limited by Between")
    # A bound without an id compares as less than every record of its moment.
    since = [(">=", _comparable(value.since)) for _, value in limits if value.since]
    return since + [("<", _comparable(value.until)) for _, value in limits if value.until]


def _comparable(moment: datetime) -> str:
    if moment.year in (
        MINYEAR,
        MAXYEAR,
    ):  # in another time zone, it may lie outside of what a datetime can hold
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


@cache
def _keys(kind: type[Record]) -> dict[str, str]:
    """Field to JSON key. Resolving a class's annotations takes longer than the query."""
    return {field.name: field.encode_name for field in msgspec.structs.fields(kind)}


def _wanted(value: Any) -> Wanted:
    if isinstance(value, Contains | NotAbove):
        return value
    values = [msgspec.to_builtins(one) for one in (value if isinstance(value, tuple) else (value,))]
    if not all(one is None or isinstance(one, str | int | float) for one in values):
        raise ValueError(f"a query compares with scalars, not with {value!r}")
    return values
