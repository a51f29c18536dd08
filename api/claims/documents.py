"""A journey of claim recovery as a tenant sees it."""

from datetime import datetime

import msgspec

from api.http.documents import Document
from api.http.lists import ListPage
from blocks.contracts.claims.findings import Route
from blocks.contracts.claims.money import Currency
from blocks.contracts.claims.phases import PHASES, PhaseNumber, PhaseStatus
from blocks.contracts.claims.workflow import journey_input
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.claims import (
    ClaimStatus,
    FeeStatus,
    PacketStatus,
    PhaseMark,
    PhaseRecord,
)
from blocks.contracts.states import ApprovalStatus, ExecutionStatus


class JourneySummary(Document, frozen=True, kw_only=True):
    """One sync of a user and the claims that it found, or a claim that no sync has named."""

    execution_id: str
    user_id: str
    sync_id: str
    status: ExecutionStatus
    """`waiting`: nothing is to do until a trigger or a person's answer comes."""
    created_at: datetime
    updated_at: datetime
    seller_id: str | None = None
    phase: int | None = None
    """The furthest that was completed, since it last came to rest."""
    completed_at: datetime | None = None
    error: str | None = None
    error_code: str | None = None
    failed_step: str | None = None
    retries: int = 0


class JourneyPage(ListPage, frozen=True, kw_only=True):
    """A page of journeys."""

    items: list[JourneySummary]


class JourneyPhase(Document, frozen=True, kw_only=True):
    """The newest request of a phase, of the sync or of one claim, and what became of it."""

    phase: PhaseNumber
    title: str
    status: PhaseStatus
    round: int
    """How often it was requested with something to do."""
    attempts: int
    triggered_by: str
    requested_at: datetime
    claim_id: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: int | None = None
    result: JsonObject | None = None
    message: str | None = None
    error: str | None = None
    error_code: str | None = None


class JourneyFee(Document, frozen=True, kw_only=True):
    """A line of the ledger: what was recovered, the fee, and what the user keeps; whole cents."""

    claim_id: str
    amount_cents: int
    currency: Currency
    fee_percent: str
    fee_cents: int
    payout_cents: int
    status: FeeStatus
    """`intended`: the charge is not confirmed yet. `mismatched`: what was charged is not known to
    be this fee; nothing more is charged until a person has decided.
    """
    attempts: int = 0
    """How often the payment service was asked, always under one key."""
    charge_id: str | None = None
    charged_at: datetime | None = None
    mismatch: str | None = None
    """What differs from the payment service's answer, or had differed before a person decided."""
    mismatched_at: datetime | None = None


class JourneyPacket(Document, frozen=True, kw_only=True):
    """The proof packet of a paid claim."""

    packet_id: str
    claim_id: str
    status: PacketStatus
    created_at: datetime
    generation_completed_at: datetime | None = None
    error: str | None = None
    packet_bytes: int | None = None
    sha256: str | None = None


class JourneyPrompt(Document, frozen=True, kw_only=True):
    """A question about a claim; answer it under `/api/v1/hitl/approvals/{approvalId}`."""

    approval_id: str
    claim_id: str
    status: ApprovalStatus
    expires_at: datetime | None = None


class JourneyClaim(Document, frozen=True, kw_only=True):
    """One claim of the journey."""

    claim_id: str
    status: ClaimStatus
    created_at: datetime
    updated_at: datetime
    claim_type: str = ""
    amount_cents: int | None = None
    """As detection found it; what was paid is in `money`."""
    currency: Currency = "usd"
    confidence: float | None = None
    match_confidence: float | None = None
    route: Route | None = None
    is_sandbox: bool = False
    amazon_case_id: str | None = None
    rejection_reason: str | None = None
    submissions: int = 0
    submitted_at: datetime | None = None
    paid_at: datetime | None = None


class JourneyLogLine(Document, frozen=True, kw_only=True):
    """One line of the log of phases, which is never changed."""

    id: str
    at: datetime
    phase: PhaseNumber
    mark: PhaseMark
    round: int
    """0: the trigger was ignored; `message` has the reason."""
    attempt: int
    triggered_by: str
    claim_id: str | None = None
    duration_ms: int | None = None
    violates_limit: bool = False
    """It completed after more than its service level."""
    previous_phase: PhaseNumber | None = None
    rollback_to: PhaseNumber | None = None
    result: JsonObject = msgspec.field(default_factory=dict)
    message: str = ""
    error: str | None = None
    error_code: str | None = None


class Journey(JourneySummary, frozen=True, kw_only=True):
    """A journey with its phases, claims, money, documents and questions."""

    phases: list[JourneyPhase]
    claims: list[JourneyClaim]
    money: list[JourneyFee]
    documents: list[JourneyPacket]
    prompts: list[JourneyPrompt]
    timeline: list[JourneyLogLine]
    """The newest 200 lines of the log, the oldest first; all: `/audit`."""


class JourneyLogPage(ListPage, frozen=True, kw_only=True):
    """A page of the log of phases."""

    items: list[JourneyLogLine]


def summary_of(execution: ExecutionRecord) -> JourneySummary:
    journey, results = journey_input(execution), execution.results or {}
    return JourneySummary(
        execution_id=execution.id,
        user_id=journey.user_id,
        sync_id=journey.sync_id,
        seller_id=journey.seller_id or None,
        status=execution.status,
        phase=results.get("phase"),
        created_at=execution.created_at,
        updated_at=execution.updated_at,
        completed_at=execution.completed_at,
        error=execution.error,
        error_code=execution.error_code,
        failed_step=execution.failed_step,
        retries=execution.retries,
    )


def phase_of(record: PhaseRecord) -> JourneyPhase:
    return msgspec.convert(
        {
            **_common(record, JourneyPhase),
            "title": PHASES[record.phase].title,
            "claimId": record.trigger.claim_id,
            "durationMs": record.duration_ms,
        },
        JourneyPhase,
    )


def prompt_of(approval: ApprovalRecord, claim_id: str) -> JourneyPrompt:
    return JourneyPrompt(
        approval_id=approval.id,
        claim_id=claim_id,
        status=approval.status,
        expires_at=approval.expires_at,
    )


def _common(record: PhaseRecord, kind: type[Document]) -> JsonObject:
    """What both have under the same name."""
    return {
        field.encode_name: getattr(record, field.name)
        for field in msgspec.structs.fields(kind)
        if field.name in record.__struct_fields__
    }
