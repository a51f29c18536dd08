"""What a proof packet shows; all that is in it comes from here."""

from datetime import datetime

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.records.claims import ClaimRecord, FeeRecord, PhaseLogEntry


class EvidenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document that supports the claim."""

    id: str
    filename: str
    content: bytes | None = None
    """None: it lies elsewhere; the packet holds what is known about it."""
    metadata: JsonObject = {}


class PromptFact(msgspec.Struct, frozen=True, kw_only=True):
    """A question about the claim that a person was asked."""

    question: str
    status: str
    asked_at: datetime
    answer: str | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None
    reason: str | None = None


class PacketFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Of one claim whose fee is settled."""

    claim: ClaimRecord
    fee: FeeRecord
    documents: list[EvidenceDocument] = []
    prompts: list[PromptFact] = []
    timeline: list[PhaseLogEntry] = []
    """Of the claim and of its sync, oldest first."""

    def as_of(self, moment: datetime) -> "PacketFacts":
        """Without what was logged after that moment."""
        return msgspec.structs.replace(
            self, timeline=[entry for entry in self.timeline if entry.created_at <= moment]
        )
