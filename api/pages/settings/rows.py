"""The approval rule of a definition as rows of a form: conditions, and who approves.

Rows change a definition that goes with them: what has no field in a row stays as it is. A single
row of approvers without a name stands for the rule's own terms, others for its stages. What is
typed wrongly is passed on as it is: the definition's own check names it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TypeVar, get_args

import msgspec
from litestar.datastructures import FormMultiDict

from blocks.approvals.condition_rules import PATHS
from blocks.contracts.approvals import ApprovalRule, OnExpiry, Operator, Terms
from blocks.contracts.events import JsonObject

ROWS_MAX = 60
RULE = "rule"
"""In the place of a stage's number: the rule's own terms."""

CHOICES: Mapping[str, Any] = {
    "paths": sorted(PATHS),
    "operators": [
        ("gte", "at least"),
        ("gt", "more than"),
        ("lte", "at most"),
        ("lt", "less than"),
        ("eq", "is"),
        ("ne", "is not"),
        ("in", "is one of"),
        ("exists", "is stated"),
    ],
    "on_expiry": [
        ("fail", "what waits for it fails"),
        ("reject", "it is rejected"),
        ("approve", "it is approved"),
        ("escalate", "more people are asked"),
    ],
}
_TERMS = tuple(field.encode_name for field in msgspec.structs.fields(Terms))
_AMOUNT = "subject.amount"

assert {op for op, _ in CHOICES["operators"]} == {*get_args(Operator)}
assert {one for one, _ in CHOICES["on_expiry"]} == {*get_args(OnExpiry)}


class ConditionRow(msgspec.Struct, frozen=True):
    """One thing that must hold; `was`: which of the definition's it is, empty for a new one."""

    was: str = ""
    path: str = ""
    op: str = "gte"
    value: str = ""


class ApproverRow(msgspec.Struct, frozen=True):
    """Who approves, from which amount on, how many of them, and for how long they may."""

    was: str = ""
    name: str = ""
    above: str = ""
    users: str = ""
    roles: str = ""
    quorum: str = "1"
    hours: str = ""
    silence: str = "fail"


class Rows(msgspec.Struct, frozen=True):
    enabled: bool
    conditions: Sequence[ConditionRow]
    approvers: Sequence[ApproverRow]

    def changed(self, add: str | None, remove: str | None) -> "Rows":
        """With one more row, or without this one; `condition-0` is the first."""
        match (add, (remove or "").split("-")):
            case ("condition", _):
                return msgspec.structs.replace(self, conditions=[*self.conditions, ConditionRow()])
            case ("approver", _):
                return msgspec.structs.replace(self, approvers=[*self.approvers, ApproverRow()])
            case (_, ["condition", place]):
                return msgspec.structs.replace(self, conditions=_without(self.conditions, place))
            case (_, ["approver", place]):
                return msgspec.structs.replace(self, approvers=_without(self.approvers, place))
            case _:
                return self


# --- from a form ----------------------------------------------------------------------------------

R = TypeVar("R", ConditionRow, ApproverRow)


def rows_in(fields: FormMultiDict) -> Rows:
    """As they were typed; the first value of a field belongs to the first row."""
    return Rows(
        enabled=fields.get("enabled") == "true",
        conditions=list(_read(fields, ConditionRow, "condition-")),
        approvers=list(_read(fields, ApproverRow, "approver-")),
    )


def _read(fields: FormMultiDict, kind: type[R], prefix: str) -> Iterator[R]:
    names = kind.__struct_fields__
    columns = [fields.getall(prefix + name, [])[:ROWS_MAX] for name in names]
    for values in zip_longest(*columns, fillvalue=""):
        typed = {name: str(one).strip() for name, one in zip(names, values, strict=True)}
        yield kind(**{name: one for name, one in typed.items() if one})


def _without(rows: Sequence[R], place: str) -> list[R]:
    return [row for at, row in enumerate(rows) if str(at) != place]


# --- from a definition ----------------------------------------------------------------------------


def rows_of(whole: JsonObject) -> Rows:
    """What the definition's rule states."""
    rule = _object(whole, "approval")
    stages = rule.get("stages") or []
    return Rows(
        enabled=bool(rule.get("enabled")),
        conditions=[
            ConditionRow(str(at), one["path"], one["op"], _typed(one.get("value"), one["op"]))
            for at, one in enumerate(_conditions(rule))
        ],
        approvers=[_approvers(str(at), one) for at, one in enumerate(stages)]
        or [_approvers(RULE, rule)],
    )


def _conditions(rule: JsonObject) -> list[JsonObject]:
    """Those that hold, by default, too."""
    if (stated := rule.get("conditions")) is not None:
        return list(stated)
    limits = {name: rule[name] for name in ("minRiskScore", "minAmount") if name in rule}
    default = msgspec.convert(limits, ApprovalRule)
    return [{"path": one.path, "op": one.op, "value": one.value} for one in default.every_condition]


def _approvers(was: str, terms: JsonObject) -> ApproverRow:
    policy = _object(terms, "policy")
    approvers = _object(policy, "approvers")
    above = [one["value"] for one in terms.get("conditions") or [] if _is_amount(one)]
    return ApproverRow(
        was=was,
        name=terms.get("name", ""),
        above=_typed(above[0], "gte") if above and was != RULE else "",
        users=", ".join(approvers.get("users", ())),
        roles=", ".join(approvers.get("roles", ())),
        quorum=str(policy.get("quorum", 1)),
        hours=_hours(terms),
        silence=terms.get("onExpiry", "fail"),
    )


def _hours(terms: JsonObject) -> str:
    """Until it expires; empty: it does not."""
    seconds = terms.get("expiresAfterSeconds")
    return "" if seconds is None else f"{seconds / 3600:.4g}"


def _is_amount(condition: JsonObject) -> bool:
    return condition.get("path") == _AMOUNT and condition.get("op") == "gte"


# --- into a definition ----------------------------------------------------------------------------


def with_rows(whole: JsonObject, rows: Rows) -> JsonObject:
    """The definition as the rows have it, unchecked; rows that are empty are none."""
    rule, known = dict(_object(whole, "approval")), rows_of(whole)
    before, stages = _conditions(rule), rule.get("stages") or []
    rule["enabled"] = rows.enabled
    conditions = [row for row in rows.conditions if row.path]
    if conditions != list(known.conditions):
        rule["conditions"] = [
            {**_was(before, row.was), "path": row.path, "op": row.op, "value": _value(row)}
            for row in conditions
        ]
    approvers = [row for row in rows.approvers if msgspec.structs.replace(row, was="") != _EMPTY]
    own = {name: rule.pop(name) for name in _TERMS if name in rule}
    terms = [_terms(row, own if row.was == RULE else _was(stages, row.was)) for row in approvers]
    rule.pop("stages", None)
    match (approvers, terms):
        case ([ApproverRow(name="")], [only]):
            rule |= {name: only[name] for name in _TERMS if name in only}
        case ([], _):
            pass  # anyone, as the platform has it
        case _:
            rule["stages"] = terms
    return {**whole, "approval": rule}


_EMPTY = ApproverRow()


def _terms(row: ApproverRow, base: JsonObject) -> JsonObject:
    policy = {
        **_object(base, "policy"),
        "approvers": {"users": _listed(row.users), "roles": _listed(row.roles)},
        "quorum": _number(row.quorum),
    }
    terms: JsonObject = {**base, "name": row.name, "policy": policy, "onExpiry": row.silence}
    if row.hours != _hours(base):
        hours = _number(row.hours) if row.hours else None
        terms["expiresAfterSeconds"] = hours * 3600 if isinstance(hours, int | float) else hours
    others = [one for one in base.get("conditions") or [] if not _is_amount(one)]
    above = [{"path": _AMOUNT, "op": "gte", "value": _number(row.above)}] if row.above else []
    terms["conditions"] = [*above, *others]
    return terms


def _was(known: Sequence[JsonObject], place: str) -> JsonObject:
    return known[int(place)] if place.isdecimal() and int(place) < len(known) else {}


def _object(whole: JsonObject, name: str) -> JsonObject:
    """Empty, if it is left out or no object: then the check names what stays of it."""
    inner = whole.get(name)
    return inner if isinstance(inner, dict) else {}


# --- values ---------------------------------------------------------------------------------------


def _typed(value: Any, op: str) -> str:
    """As a person types it; `_value` reads the same from it."""
    if op == "in" and isinstance(value, list) and not any("," in str(one) for one in value):
        return ", ".join(_typed(one, "eq") for one in value)
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    is_plain = isinstance(value, str) and value == value.strip() and _json(value) is _NONE
    return value if is_plain else msgspec.json.encode(value).decode()


def _value(row: ConditionRow) -> Any:
    """A number, a list or true where it reads as one, else the text."""
    if not row.value:
        return None
    whole = _json(row.value)
    if row.op != "in":
        return row.value if whole is _NONE else whole
    if isinstance(whole, list):
        return whole
    return [part if (one := _json(part)) is _NONE else one for part in _listed(row.value)]


_NONE = object()
_EXACT = 2**53


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return _NONE


def _number(text: str) -> Any:
    """The text itself, if it is none."""
    number = _json(text.replace(",", ""))
    return number if isinstance(number, int | float) else text


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]
