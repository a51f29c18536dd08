"""Smart prompts in the platform's form (`evidence_prompts`, snake_case)."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from api.documentation.choices import add_choice
from api.http.documents import Document
from blocks.approvals.decisions import is_overdue
from blocks.clock import utc_now
from blocks.contracts.claims.findings import ClaimId
from blocks.contracts.claims.prompts import Option, Prompt
from blocks.contracts.events import JsonObject
from blocks.contracts.reading.limits import Actor, Comment
from blocks.contracts.records import ApprovalRecord
from blocks.contracts.states import ApprovalStatus

PromptStatus = Literal["pending", "answered", "expired", "cancelled"]
add_choice("PromptStatus", PromptStatus)

_STATUS: dict[ApprovalStatus, PromptStatus] = {
    "pending": "pending",
    "approved": "answered",
    "rejected": "answered",
    "expired": "expired",
    "cancelled": "cancelled",
}


def _as_it_is(name: str) -> str:
    return name


class PromptDocument(Document, frozen=True, kw_only=True, rename=_as_it_is):
    """Base of these bodies: their fields are written as the platform's services do."""


class NewPrompt(PromptDocument, frozen=True, kw_only=True):
    """A question about a claim that is known here, and the answers to choose from."""

    claim_id: ClaimId
    user_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    """Whose claim it is; needed where several users have claims of this id."""
    question: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000, pattern=r"\S")]
    options: Annotated[list[Option], msgspec.Meta(min_length=1, max_length=10)]
    expiry_hours: Annotated[float, msgspec.Meta(gt=0, le=8_760)] | None = None
    """At most as long as the tenant has defined; without it, so long (by default 24 hours)."""
    metadata: JsonObject = msgspec.field(default_factory=dict)


class PromptView(PromptDocument, frozen=True, kw_only=True):
    """A question about a claim; `prompt_id` is also the id of its approval."""

    prompt_id: str
    claim_id: str
    question: str
    options: list[Option]
    status: PromptStatus
    expires_at: datetime | None = None
    created_at: datetime
    metadata: JsonObject = msgspec.field(default_factory=dict)


class PromptList(PromptDocument, frozen=True, kw_only=True):
    """The prompts of a claim, newest first."""

    claim_id: str
    prompts: list[PromptView]


class PromptAnswer(PromptDocument, frozen=True, kw_only=True):
    """The option that a person chose."""

    selected_option: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    reasoning: Comment | None = None
    decided_by: Actor | None = None
    """Who answers, if the credential names no user."""


class PromptResult(PromptDocument, frozen=True, kw_only=True):
    """What became of an answer or a withdrawal; `success` is false where it did not count."""

    success: bool
    prompt_id: str
    action_taken: str
    message: str


ClaimAct = Literal[
    "prompt_created",
    "prompt_answered",
    "prompt_expired",
    "prompt_cancelled",
    "packet_generated",
    "packet_failed",
    "packet_downloaded",
]


class ClaimAuditLine(PromptDocument, frozen=True, kw_only=True):
    """One thing that happened to a prompt or the proof packet of a claim."""

    action: ClaimAct
    at: datetime
    prompt_id: str | None = None
    packet_id: str | None = None
    actor: str | None = None
    channel: str | None = None
    details: str | None = None


class ClaimAudit(PromptDocument, frozen=True, kw_only=True):
    """What happened about a claim, newest first; `total` counts all of it."""

    claim_id: str
    total: int
    limit: int
    offset: int
    entries: list[ClaimAuditLine]


def view_of(approval: ApprovalRecord, prompt: Prompt) -> PromptView:
    return PromptView(
        prompt_id=approval.id,
        claim_id=prompt.claim_id,
        question=prompt.question,
        options=prompt.options,
        status=status_of(approval),
        expires_at=approval.expires_at,
        created_at=approval.created_at,
        metadata=prompt.metadata,
    )


def status_of(approval: ApprovalRecord) -> PromptStatus:
    """Expired from its moment on, whether or not the clock has been applied yet."""
    if approval.status == "pending" and is_overdue(approval, utc_now()):
        return "expired"
    return _STATUS[approval.status]
