"""The form with which Prefect resumes a suspended run, as the JSON Schema that its UI shows."""

from collections.abc import Mapping
from typing import Any

from blocks.approvals.forms import check_schema
from blocks.approvals.prefect_ui.answer import CHOICES
from blocks.approvals.prefect_ui.fields import field_of, listed
from blocks.contracts.approvals import Outcome
from blocks.contracts.events import JsonObject
from blocks.contracts.identities import LENGTH_MAX
from blocks.contracts.reading.limits import COMMENT_MAX
from blocks.contracts.records import ApprovalRecord


def form_of(approval: ApprovalRecord) -> JsonObject:
    """What is to be filled in: a choice with nothing preselected, a name, a reason, and the fields
    of the approval's own form.

    Prefect refuses what does not fit, and its UI shows why.
    """
    properties: dict[str, JsonObject] = {
        "decision": {
            "title": "Decision",
            "description": "Required. Nothing is preselected.",
            "type": "string",
            "enum": [CHOICES[outcome] for outcome in approval.options],
        },
        "decided_by": {
            "title": "Your name",
            "description": "Required. Your user id, as it is to stand on the record.",
            "type": "string",
            "minLength": 1,
            "maxLength": LENGTH_MAX,
        },
        "comment": {
            "title": "Reason",
            "description": _REASON_IS[approval.policy.reason_required],
            "type": "string",
            "maxLength": COMMENT_MAX,
        },
    }
    if approval.form_schema is not None:
        properties["form"] = _own_form(approval.form_schema)
    for position, shown in enumerate(properties.values()):
        shown["position"] = position
    needs_reason = approval.policy.reason_required == "always"
    return {
        "title": f"Decision on {approval.about}"[:200],
        "type": "object",
        "properties": properties,
        "required": ["decision", "decided_by", *(["comment"] if needs_reason else [])],
        "additionalProperties": False,
        **({"allOf": conditions} if (conditions := _conditions(approval)) else {}),
    }


_REASON_IS: Mapping[str, str] = {
    "never": "Optional. It stands on the record.",
    "on-reject": "Required to reject. It stands on the record.",
    "always": "Required. It stands on the record.",
}


def _own_form(schema: JsonObject) -> JsonObject:
    """The tenant's fields, each with a type that Prefect's UI has an input for."""
    properties, required = schema.get("properties"), listed(schema.get("required"))
    whole: JsonObject = {
        "title": _text(schema.get("title")) or "Form",
        "description": " ".join(
            filter(
                None, (_text(schema.get("description")), "To approve; leave it empty to reject.")
            )
        ),
        "type": "object",
    }
    if not isinstance(properties, dict) or not properties:
        return whole
    fields = {
        name: field_of(rules, schema, position=position, is_required=name in required)
        for position, (name, rules) in enumerate(properties.items())
    }
    # A schema from before they were checked: Prefect resumes no run whose form has a faulty one.
    return whole if check_schema({"properties": fields}) else {**whole, "properties": fields}


def _conditions(approval: ApprovalRecord) -> list[JsonObject]:
    """What only one of the two decisions needs; to reject, no field of the form is."""
    conditions: list[JsonObject] = []
    if "rejected" in approval.options:
        if approval.policy.reason_required == "on-reject":
            conditions.append(_if("rejected", {"required": ["comment"]}))
        if required := listed((approval.form_schema or {}).get("required")):
            # Not in the form itself: Prefect's UI sends an empty one with a rejection, too.
            then = {"required": ["form"], "properties": {"form": {"required": required}}}
            conditions.append(_if("approved", then))
    return conditions


def _if(outcome: Outcome, then: JsonObject) -> JsonObject:
    decided: dict[str, Any] = {"properties": {"decision": {"const": CHOICES[outcome]}}}
    return {"if": {**decided, "required": ["decision"]}, "then": then}


def _text(value: object) -> str:
    return value[:500] if isinstance(value, str) else ""
