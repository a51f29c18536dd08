"""What the input of an analysis states about a deal's amount and owner, wherever it stands; pure.

CRMs and our platform's services write them in the data itself, in `changes`, `metadata` or
`structuredData`, as a value or as a change from one to another. Places that disagree state nothing
that can be relied on.
"""

from collections.abc import Iterator
from typing import Any
from unicodedata import normalize

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.reading.numbers import Unreadable, read_number, shown

INPUT_BYTES_MAX = 256 * 1024

_AMOUNT = frozenset({"amount", "value"})
_OWNER = frozenset({"ownerid"})
_CONTAINERS = frozenset(
    {"changes", "metadata", "structureddata", "data", "shard", "fields", "properties"}
)
_AFTER = ("new", "to", "newvalue", "after", "current")
_BEFORE = ("old", "from", "oldvalue", "before", "previous")
_FIELD_NAMES = ("field", "fieldname", "name", "property")
_DEPTH_MAX = 5
_TOO_DEEP = ["nested too deep"]
"""Stands for what is stated below `_DEPTH_MAX`: neither a number nor an id, so never relied on."""


class Unknown(msgspec.Struct, frozen=True):
    """Nothing states it, or what does cannot be relied on; `reason` is a sentence's end, for a
    business person.
    """

    reason: str
    is_stated: bool = False


Amount = int | float | Unknown
Owner = str | Unknown


def facts_of(stated: JsonObject, subject: str, results: JsonObject) -> JsonObject:
    """What the conditions of a rule refer to: what the steps found, and what the input states."""
    nested = stated.get("data")
    return {
        "results": results,
        "subject": {
            **stated,
            "id": subject,
            "amount": amount_of(stated),
            "ownerId": owner_of(stated),
            "data": {**(nested if isinstance(nested, dict) else {}), **stated},
        },
    }


def amount_of(stated: JsonObject) -> Amount:
    """The deal's amount in the platform's unit, if every place that states one states the same."""
    amounts: list[int | float] = []
    for value in _stated(stated, _AMOUNT):
        if value == _TOO_DEEP:
            return Unknown("not certain: the event states it too deep", is_stated=True)
        try:
            amounts.append(read_number(value))
        except Unreadable as unreadable:
            return Unknown(f"cannot be read: {unreadable}", is_stated=True)
    if not amounts:
        return Unknown("unknown: no event states it")
    if len(set(amounts)) > 1:
        return Unknown(
            f"not certain: the event states both {min(amounts):,} and {max(amounts):,}",
            is_stated=True,
        )
    if amounts[0] < 0:
        return Unknown(f"negative: {amounts[0]:,}", is_stated=True)
    return amounts[0]


def owner_of(stated: JsonObject) -> Owner:
    """Who owns the opportunity, if every place that states an owner states the same."""
    owners = list(_stated(stated, _OWNER))
    if not owners:
        return Unknown("unknown: no event states it")
    if _TOO_DEEP in owners:
        return Unknown("not certain: the event states it too deep", is_stated=True)
    ids = {
        str(owner) if type(owner) is int else owner
        for owner in owners
        if isinstance(owner, str | int)
    }
    if len(ids) > 1 or len(ids) != len({shown(owner).strip('"') for owner in owners}):
        return Unknown("not certain: the event states different owners", is_stated=True)
    owner = ids.pop()
    return (
        owner
        if isinstance(owner, str)
        else Unknown(f"cannot be read: {shown(owner)} is no id", is_stated=True)
    )


def merged(older: JsonObject, newer: JsonObject) -> JsonObject:
    """Both, where the newer one counts; one that is silent on the amount or the owner does not
    erase it.

    No larger than an event may be: beyond that, of the older one only the amount and the owner are
    kept.
    """
    kept = older
    for names in (_AMOUNT, _OWNER):
        if any(True for _ in _stated(newer, names)):
            kept = _without(kept, names)
    both = _merged(kept, newer)
    if len(msgspec.json.encode(both)) <= INPUT_BYTES_MAX:
        return both
    facts = {}
    for name, names in (("amount", _AMOUNT), ("ownerId", _OWNER)):
        values = list(_stated(kept, names))
        if values:
            same = all(value == values[0] for value in values)
            facts[name] = values[0] if same else "several that differ"
    return {**newer, **facts}


# --- where it stands ------------------------------------------------------------------------------


def _stated(place: Any, names: frozenset[str], depth: int = 0) -> Iterator[Any]:
    """Every value that stands under one of these names; null and empty text state nothing."""
    for value, found_at in _found(place, names, depth):
        yield value if found_at <= _DEPTH_MAX else _TOO_DEEP


def _found(place: Any, names: frozenset[str], depth: int) -> Iterator[tuple[Any, int]]:
    """Each value, and how deep it stands."""
    if isinstance(place, list):
        yield from _listed(place, names, depth)
    if not isinstance(place, dict):
        return
    for key, value in place.items():
        name = _plain(key)
        if name in names:
            yield from ((end, depth) for end in _after_change(value))
        elif name in _CONTAINERS or (depth and name in _AFTER and isinstance(value, dict)):
            yield from _found(value, names, depth + 1)


def _listed(changes: list[Any], names: frozenset[str], depth: int) -> Iterator[tuple[Any, int]]:
    """Of changes as a list: `[{"field": "Amount", "new": 5}]`."""
    for change in changes:
        if not isinstance(change, dict):
            continue
        plain = {_plain(key): value for key, value in change.items()}
        named = next((plain[key] for key in _FIELD_NAMES if isinstance(plain.get(key), str)), None)
        if named is None:
            yield from _found(change, names, depth + 1)
        elif _plain(named) in names:
            ends = [plain[key] for key in (*_AFTER, "value") if key in plain]
            yield from ((end, depth) for end in ends if end not in (None, ""))


def _after_change(value: Any) -> Iterator[Any]:
    """The value after a change, if this is a change; else the value itself."""
    if isinstance(value, dict):
        plain = {_plain(key): end for key, end in value.items()}
        ends = [plain[key] for key in _AFTER if key in plain]
        if ends and plain.keys() <= {*_AFTER, *_BEFORE}:
            yield from (end for end in ends if not _is_silent(end))
            return
    if not _is_silent(value):
        yield value


def _is_silent(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _plain(key: Any) -> str:
    """The name in any case, width and separators: `Owner_Id`, `owner-id` and `OwnerId` are one."""
    return "".join(one for one in normalize("NFKC", str(key)).casefold() if one.isalnum())


# --- merge ----------------------------------------------------------------------------------------


def _without(place: JsonObject, names: frozenset[str], depth: int = 0) -> JsonObject:
    kept: JsonObject = {}
    for key, value in place.items():
        name = _plain(key)
        if name in names:
            continue
        inside = name in _CONTAINERS or (depth and name in _AFTER)
        kept[key] = _without_inside(value, names, depth + 1) if inside else value
    return kept


def _without_inside(value: Any, names: frozenset[str], depth: int) -> Any:
    if isinstance(value, dict):
        return _without(value, names, depth)
    if isinstance(value, list):
        return [one for one in value if not any(True for _ in _stated([one], names, depth))]
    return value


def _merged(older: JsonObject, newer: JsonObject, depth: int = 0) -> JsonObject:
    both = dict(older)
    for key, value in newer.items():
        before = both.get(key)
        if isinstance(before, dict) and isinstance(value, dict) and depth < _DEPTH_MAX:
            both[key] = _merged(before, value, depth + 1)
        elif isinstance(before, list) and isinstance(value, list) and _plain(key) in _CONTAINERS:
            both[key] = [*before, *value]
        elif value is not None or before is None:
            both[key] = value
    return both
