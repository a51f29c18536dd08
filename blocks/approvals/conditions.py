"""Whether structured conditions hold for what is known: data, not code, so a tenant can write them.

Each is true, false, or cannot be judged; numbers in text are numbers, and types are never guessed.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from blocks.contracts.approvals import Condition, OnUnknown
from blocks.contracts.opportunity_facts import Unknown
from blocks.contracts.reading.numbers import is_number, read_number, shown

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


class Judgement(msgspec.Struct, frozen=True):
    """Whether it holds; None if that cannot be judged, for these reasons."""

    holds: bool | None
    reasons: tuple[str, ...] = ()


class _Incomparable(Exception):
    """The two values have no common kind in which they could be compared."""


def judge_all(
    conditions: Iterable[Condition], facts: Mapping[str, Any], on_unknown: OnUnknown = "ask"
) -> Judgement:
    """False if one definitely does not hold, else None if one cannot be judged; no conditions
    always hold.
    """
    judgements = [judge(condition, facts, on_unknown) for condition in conditions]
    if any(one.holds is False for one in judgements):
        return Judgement(False)
    reasons = tuple(dict.fromkeys(reason for one in judgements for reason in one.reasons))
    return Judgement(None if reasons else True, reasons)


def judge(
    condition: Condition, facts: Mapping[str, Any], on_unknown: OnUnknown = "ask"
) -> Judgement:
    """One condition; where it is to be skipped, one that cannot be judged does not hold."""
    found = _look_up(facts, condition.path)
    if condition.op == "exists":
        there = found.is_stated if isinstance(found, Unknown) else True
        return Judgement(there == (condition.value is not False))
    try:
        if isinstance(found, Unknown):
            raise _Incomparable(f"{condition.path} is {found.reason}")
        return Judgement(_holds(condition, found))
    except _Incomparable as incomparable:
        if (condition.on_unknown or on_unknown) == "skip":
            return Judgement(False)
        return Judgement(None, (str(incomparable),))


def _holds(condition: Condition, found: Any) -> bool:
    match condition.op:
        case "eq":
            return _equal(condition, found, condition.value)
        case "ne":
            return not _equal(condition, found, condition.value)
        case "in":
            return _is_in(condition, found)
        case comparison:
            return _COMPARISONS[comparison](*_ordered(condition, found, condition.value))


def _is_in(condition: Condition, found: Any) -> bool:
    if not isinstance(condition.value, list) or not condition.value:
        raise _Incomparable(f"{condition.path} cannot be compared: the rule lists no values")
    doubt: _Incomparable | None = None
    for wanted in condition.value:
        try:
            if _equal(condition, found, wanted):
                return True
        except _Incomparable as incomparable:
            doubt = incomparable
    if doubt is not None:
        raise doubt
    return False


def _equal(condition: Condition, found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) and isinstance(wanted, bool):
        return found is wanted
    if (
        isinstance(found, str)
        and isinstance(wanted, str)
        and not (is_number(found) and is_number(wanted))
    ):
        dates = _date(found), _date(wanted)
        return dates[0] == dates[1] if None not in dates else found == wanted
    one, other = _ordered(condition, found, wanted)
    return bool(one == other)


def _ordered(condition: Condition, found: Any, wanted: Any) -> tuple[Any, Any]:
    """Both as numbers, as moments or as texts. Raises `_Incomparable`."""
    if is_number(found) and is_number(wanted):
        return read_number(found), read_number(wanted)
    if (
        isinstance(found, str)
        and isinstance(wanted, str)
        and not (is_number(found) or is_number(wanted))
    ):
        dates = _date(found), _date(wanted)
        if None not in dates:
            return dates
        if dates == (None, None):
            return found, wanted
    raise _Incomparable(
        f"{condition.path} is {shown(found)}, which cannot be compared with {shown(wanted)}"
    )


def _date(text: str) -> datetime | None:
    """An ISO 8601 date or time; without a zone it is UTC."""
    if len(text) < 10 or text[4:5] != "-":
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _look_up(facts: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(facts, Mapping) or name not in facts:
            return Unknown("missing")
        facts = facts[name]
    return Unknown("empty") if facts is None else facts
