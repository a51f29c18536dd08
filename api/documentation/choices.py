"""Choices that occur at several places, and free JSON objects, have a name of their own in the
documents.

Client generators make one type of each; what is spelled out inside a schema becomes a type per
place.
"""

from collections.abc import Mapping
from typing import Any, get_args

from api.http.lists import NewestOrOldest
from blocks.contracts import approvals
from blocks.contracts.claims.findings import Route
from blocks.contracts.claims.money import Currency
from blocks.contracts.claims.phases import PhaseNumber
from blocks.contracts.events import JsonObject
from blocks.contracts.records.claims import ClaimStatus
from blocks.contracts.records.dead_letters import LetterStatus
from blocks.contracts.roles import Role
from blocks.contracts.states import ApprovalStatus, ExecutionStatus, StepStanding

_CHOICES: dict[tuple[str | int, ...], str] = {
    get_args(choice): name
    for name, choice in {
        "ApprovalOutcome": approvals.Outcome,
        "ApprovalStatus": ApprovalStatus,
        "ClaimRoute": Route,
        "ClaimStatus": ClaimStatus,
        "Currency": Currency,
        "DeadLetterStatus": LetterStatus,
        "ExecutionStatus": ExecutionStatus,
        "ListOrder": NewestOrOldest,
        "OnExpiry": approvals.OnExpiry,
        "OnReject": approvals.OnReject,
        "OnUnknown": approvals.OnUnknown,
        "PhaseNumber": PhaseNumber,
        "ReasonRequired": approvals.ReasonRequired,
        "Role": Role,
        "StepStatus": StepStanding,
    }.items()
}


_ANY_OBJECT = {"additionalProperties": {}, "type": "object"}


def add_choice(name: str, choice: Any) -> None:
    """From now on, the documents call this choice of an area so."""
    _CHOICES[get_args(choice)] = name


def choice_schemas() -> Mapping[str, JsonObject]:
    """The schema of each, by its name."""
    return {
        "JsonObject": _ANY_OBJECT | {"title": "JsonObject"},
    } | {
        name: {
            "type": "integer" if isinstance(values[0], int) else "string",
            "enum": list(values),
            "title": name,
        }
        for values, name in _CHOICES.items()
    }


def with_named_choices(tree: Any) -> Any:
    """The same, with a reference wherever one of these is spelled out."""
    if isinstance(tree, list):
        return [with_named_choices(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    return _named(tree) or {key: with_named_choices(one) for key, one in tree.items()}


def _named(schema: JsonObject) -> JsonObject | None:
    if schema == _ANY_OBJECT:
        return {"$ref": "#/components/schemas/JsonObject"}
    values = schema.get("enum")
    if not isinstance(values, list):
        return None
    name = _CHOICES.get(tuple(one for one in values if one is not None))
    if name is None:
        return None
    reference: JsonObject = {"$ref": f"#/components/schemas/{name}"}
    own = {key: schema[key] for key in ("default", "description") if key in schema}
    if None in values:
        return {"oneOf": [reference, {"type": "null"}]} | own
    return reference | own
