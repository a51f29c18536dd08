"""Smart prompts: what a person is asked about the evidence of a claim, and what an answer means.

A prompt is an approval (`ApprovalRecord`): approving it confirms the evidence, rejecting it is any
of the other answers. Names of actions and of what they did are the platform's (`evidence_prompts`).
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from blocks.contracts.approvals import Outcome
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.events import JsonObject
from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.records import ApprovalRecord

GATE = "evidence"
CHOSEN = "selected_option"
"""The field of a decision's form that names the option, where the channel lets a person choose."""

Action = Literal["confirm_evidence", "reject_evidence", "request_additional", "escalate_manual"]

TAKEN: Mapping[Action, str] = {
    "confirm_evidence": "evidence_confirmed",
    "reject_evidence": "evidence_rejected",
    "request_additional": "additional_evidence_requested",
    "escalate_manual": "escalated_manual_review",
}
"""What was done, as the answer to an answer names it."""


class Option(Normalised, frozen=True, kw_only=True):
    """One answer that a person may give."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    action: Action

    @property
    def outcome(self) -> Outcome:
        """What it is as a decision about the approval."""
        return "approved" if self.action == "confirm_evidence" else "rejected"


OPTIONS = (
    Option(
        id="confirm",
        text="Yes, this document proves the claim: submit it",
        action="confirm_evidence",
    ),
    Option(id="reject", text="No, this document is about something else", action="reject_evidence"),
    Option(id="additional", text="More evidence is needed", action="request_additional"),
    Option(id="manual", text="A specialist must look at it", action="escalate_manual"),
)
"""What phase 4 offers."""


class Prompt(Normalised, frozen=True, kw_only=True, rename="camel"):
    """A question about a claim; the context of its approval."""

    claim_key: str
    claim_id: str
    user_id: str
    sync_id: str
    question: str
    options: list[Option]
    confidence: float | None = None
    """Of the match, 0..1."""
    evidence_document_id: str = ""
    match_type: str = ""
    reasoning: str = ""
    metadata: JsonObject = {}

    def option(self, id: str) -> Option | None:
        return next((option for option in self.options if option.id == id), None)


def prompt_of(approval: ApprovalRecord) -> Prompt | None:
    """The question that this approval asks; None: it is about something else."""
    if (approval.workflow, approval.gate) != (WORKFLOW, GATE):
        return None
    try:
        return msgspec.convert(approval.context, Prompt)
    except msgspec.ValidationError:
        return None


def answer_to(approval: ApprovalRecord, prompt: Prompt) -> Action | None:
    """What the person who decided has chosen; None: no one has answered.

    Without a choice, approving confirms, and rejecting is the first other answer that was offered.
    An approval that names another option than a confirmation contradicts itself: a specialist looks
    at it.
    """
    match approval.status:
        case "approved":
            chosen = [_chosen(one.form) for one in approval.decisions if one.outcome == "approved"]
            named = [prompt.option(one) for one in chosen if one is not None]
            is_clear = all(option and option.outcome == "approved" for option in named)
            return "confirm_evidence" if is_clear else "escalate_manual"
        case "rejected":
            option = prompt.option(_chosen(approval.decisions[-1].form) or "")
            if option and option.outcome == "rejected":
                return option.action
            refusals = [one.action for one in prompt.options if one.outcome == "rejected"]
            return (
                "reject_evidence" if "reject_evidence" in refusals else next(iter(refusals), None)
            )
    return None


def _chosen(form: JsonObject | None) -> str | None:
    chosen = (form or {}).get(CHOSEN)
    return None if chosen is None else str(chosen)
