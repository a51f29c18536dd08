"""A decision as a page's form sends it, and what the form says about it."""

from collections.abc import Mapping, Sequence

import msgspec

from api.approvals import form_fields
from api.approvals.documents import NamedDecision
from api.approvals.form_fields import Field
from api.http.errors import InvalidRequest, Problem
from blocks.approvals.decisions import StageDecided
from blocks.contracts.approvals import OUTCOMES
from blocks.contracts.records import ApprovalRecord

REASONS: Mapping[str, str] = {
    "never": "Optional; it stands on the record.",
    "on-reject": "Needed to reject; it stands on the record.",
    "always": "Needed; it stands on the record.",
}
"""What a page says at the reason's field, by what the policy requires."""


def decision_in(approval: ApprovalRecord, submitted: Mapping[str, str]) -> NamedDecision:
    """The decision, as any other channel would bring it; the form goes with an approval only.

    Raises `StageDecided` for a stage that is no longer asked, `InvalidRequest`.
    """
    stage = submitted.get("stage", "")
    if approval.status == "pending" and stage != (approval.stage or ""):
        raise StageDecided(approval, stage)
    outcome = submitted.get("outcome", "")
    if outcome not in OUTCOMES:
        raise InvalidRequest(
            Problem(field="outcome", message="choose to approve or to reject", source="body")
        )
    body: dict[str, object] = {
        "outcome": outcome,
        "reason": submitted.get("reason", "").strip() or None,
        "stage": stage,
    }
    if outcome == "approved" and approval.form_schema is not None:
        body["form"] = form_fields.form_of(form_fields.fields_of(approval.form_schema), submitted)
    try:
        return msgspec.convert(body, NamedDecision)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise InvalidRequest(
            Problem(field=where.rstrip("`") or None, message=what, source="body")
        ) from None


def in_words(problem: Problem, fields: Sequence[Field]) -> str:
    """The problem, with the name that the page gives to its field."""
    label = next((field.label for field in fields if field.error), problem.field)
    return f"{label}: {problem.message}" if label else problem.message
