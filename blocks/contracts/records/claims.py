"""What claim recovery leaves: phases, claims, the ledger of fees, proof packets, the phase log.

A journey itself is an execution (`ExecutionRecord`): its `subject` is the user, its `input` is
`JourneyInput`.
"""

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from blocks.contracts.claims.findings import Route
from blocks.contracts.claims.money import Currency
from blocks.contracts.claims.phases import PhaseNumber, PhaseStatus
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.events import JsonObject
from blocks.contracts.records.base import Record

CLAIMS = "workflow_claims"

ClaimStatus = Literal[
    "found", "matched", "prompted", "review", "submitted", "rejected", "paid", "declined"
]
"""`prompted`: waits for a person's answer. `review`: for a person outside this system.
`declined`: a person refused it, or the prompt expired. The last three are final, until it is
submitted again.
"""

FINAL_CLAIM_STATUSES: tuple[ClaimStatus, ...] = ("rejected", "paid", "declined")


class JourneyInput(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The input of a journey's execution."""

    user_id: str
    sync_id: str
    seller_id: str = ""
    named_by_claim: bool = False
    """Whether the sync id is the default of a claim that no sync had named."""


class PhaseRecord(Record, frozen=True, kw_only=True, tag="phase"):
    """The newest request of one phase, of a sync or of a claim, and what became of it."""

    container: ClassVar[str] = CLAIMS

    execution_id: str
    """The journey."""
    user_id: str
    sync_id: str
    phase: PhaseNumber
    claim_key: str | None = None
    """`ids.claim_key`, of phases 5 to 7."""
    status: PhaseStatus
    round: int = 1
    """Counts the requests that counted: a repetition of one that was done is none."""
    trigger: PhaseTrigger
    next_trigger: PhaseTrigger | None = None
    """What came, with other content, while this one was being done: the next round's."""
    triggered_by: str = "api"
    """`api`, or the phase (`phase_3`), approval or retry that it followed from."""
    requested_at: datetime
    next_triggered_by: str = "api"
    """From which `next_trigger` came."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    """When it completed or failed."""
    attempts: int = 0
    """Of the present round."""
    retry: int = 0
    """In which try of its journey it was last begun; what failed in an earlier one is requested
    once more.
    """
    result: JsonObject | None = None
    message: str | None = None
    error: str | None = None
    error_code: str | None = None
    previous_phase: PhaseNumber | None = None
    """The one before it that was completed last, when it was begun."""
    completes_sync: bool = False
    """Whether its end was the last that the journey waited for."""
    announced_at: datetime | None = None
    """When its end of this round was logged and published. None, and ended: still due."""
    cleaned_at: datetime | None = None
    """Left out of the queue's figures from then on; see `queue/clean`."""

    @property
    def is_due(self) -> bool:
        """Whether there is work on it: to be done, or an end to be announced."""
        return self.status in ("requested", "running") or self.announced_at is None

    @property
    def duration_ms(self) -> int | None:
        if self.started_at is None or self.completed_at is None:
            return None
        return int((self.completed_at - self.started_at).total_seconds() * 1000)


class ClaimRecord(Record, frozen=True, kw_only=True, tag="claim"):
    """One claim of a user; `id` is `ids.claim_key`. Its status only moves on."""

    container: ClassVar[str] = CLAIMS

    claim_id: str
    user_id: str
    execution_id: str
    """The journey that it belongs to."""
    sync_id: str
    joined_from: list[str] = []
    """Journeys of its own that it had before a sync named it."""
    status: ClaimStatus
    updated_at: datetime
    claim_type: str = ""
    amount_cents: int | None = None
    """As found; what was paid is in the ledger."""
    currency: Currency = "usd"
    confidence: float | None = None
    """Of detection."""
    match_confidence: float | None = None
    route: Route | None = None
    is_sandbox: bool = False
    approval_id: str | None = None
    """Of its smart prompt."""
    amazon_case_id: str | None = None
    rejection_reason: str | None = None
    submissions: int = 0
    """How often it was submitted: after a rejection, it may be again."""
    submitted_at: datetime | None = None
    paid_at: datetime | None = None
    details: JsonObject = {}


FeeStatus = Literal["intended", "charged", "mismatched"]
"""`mismatched`: what the payment service answered is not what the ledger has, or does not state
it. No call asks for this fee again until a person has decided
(`blocks.claims.money.fee_decisions`).
"""


class FeeRecord(Record, frozen=True, kw_only=True, tag="fee"):
    """A line of the ledger: the one fee of a claim. Written before the charge, settled after it;
    the first amount counts. `id` is `ids.fee_id`.
    """

    container: ClassVar[str] = CLAIMS

    claim_key: str
    claim_id: str
    user_id: str
    execution_id: str
    amount_cents: int
    currency: Currency
    fee_percent: str
    """As a decimal's text, e.g. "20"."""
    fee_cents: int
    payout_cents: int
    """What the user keeps: the amount less the fee."""
    idempotency_key: str
    """Under which the payment service is asked, every time."""
    status: FeeStatus = "intended"
    attempts: int = 0
    charge_id: str | None = None
    """As the payment service names the charge."""
    charged_at: datetime | None = None
    mismatch: str | None = None
    """What differs, or was not stated, in one line; of a decided line, what had differed."""
    mismatched_at: datetime | None = None


PacketStatus = Literal["pending", "generating", "completed", "failed"]


class PacketRecord(Record, frozen=True, kw_only=True, tag="packet"):
    """The proof packet of a paid claim; `id` is `ids.packet_id`, and its files lie below it."""

    container: ClassVar[str] = CLAIMS

    claim_key: str
    claim_id: str
    user_id: str
    execution_id: str
    status: PacketStatus = "pending"
    generation_started_at: datetime | None = None
    generation_completed_at: datetime | None = None
    error: str | None = None
    packet_bytes: int | None = None
    sha256: str | None = None
    """Of the zip."""


PhaseMark = Literal["started", "completed", "failed", "rolled_back", "retrying", "ignored"]


class PhaseLogEntry(Record, frozen=True, kw_only=True, tag="phase-log"):
    """One line of the log of phases: created once, under a computed id, never changed, and deleted
    only long after its journey's end (`blocks.claims.log_keeping`). What a
    client sees live, and sees again after it reconnects, is computed from it.
    """

    container: ClassVar[str] = CLAIMS
    append_only: ClassVar[bool] = True
    expires: ClassVar[bool] = True

    execution_id: str
    user_id: str
    sync_id: str
    other_sync_ids: list[str] = []
    """Further names of the journey, under which a page may follow it."""
    phase: PhaseNumber
    claim_key: str | None = None
    claim_id: str | None = None
    round: int
    attempt: int = 0
    mark: PhaseMark
    triggered_by: str = ""
    duration_ms: int | None = None
    violates_limit: bool = False
    """Whether it completed after more than its service level."""
    previous_phase: PhaseNumber | None = None
    """The one before it that was completed last."""
    rollback_to: PhaseNumber | None = None
    result: JsonObject = {}
    message: str = ""
    error: str | None = None
    error_code: str | None = None
    completes_sync: bool = False
    """Whether it was the last that the journey waited for."""
