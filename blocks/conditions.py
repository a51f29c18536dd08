"""Whether structured conditions hold for what is known: data, not code, so a tenant can write them."""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from blocks.contracts.approvals import Condition

_MISSING = object()

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


def all_hold(conditions: Iterable[Condition], facts: Mapping[str, Any]) -> bool:
    """True if every one holds; no conditions always hold."""
    return all(holds(condition, facts) for condition in conditions)


def holds(condition: Condition, facts: Mapping[str, Any]) -> bool:
    """Numbers compare with numbers and texts with texts; anything else compares as false."""
    found = _look_up(facts, condition.path)
    match condition.op:
        case "exists":
            return (found is not _MISSING) == (condition.value is not False)
        case "eq":
            return bool(found == condition.value)
        case "ne":
            return bool(found != condition.value)
        case "in":
            return isinstance(condition.value, list) and found in condition.value
        case comparison:
            return _comparable(found, condition.value) and _COMPARISONS[comparison](found, condition.value)


def _look_up(facts: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(facts, Mapping) or name not in facts:
            return _MISSING
        facts = facts[name]
    return facts


def _comparable(one: Any, other: Any) -> bool:
    return (_is_number(one) and _is_number(other)) or (isinstance(one, str) and isinstance(other, str))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
