"""Bodies of the proof packet routes; their names are the platform's, with underscores."""

from datetime import datetime
from typing import Any

import msgspec

from api.documentation.requests import add_requests
from api.http.documents import Document
from api.http.example_data import BEGIN, TENANT
from blocks.contracts import ids
from blocks.contracts.records.claims import PacketRecord, PacketStatus


class _Wire(Document, frozen=True, kw_only=True, rename="lower"):
    """As the platform's own services write it."""


class PacketLinkData(_Wire, frozen=True, kw_only=True):
    packet_url: str
    """Where the archive is downloaded, without a credential, until then."""
    claim_id: str
    hours_valid: int
    expires_at: int
    """Seconds since 1970."""


class PacketLinkDocument(_Wire, frozen=True, kw_only=True, omit_defaults=False):
    """A link to the archive of a proof packet."""

    ok: bool = True
    data: PacketLinkData


class PacketStatusData(_Wire, frozen=True, kw_only=True, omit_defaults=False):
    packet_id: str
    status: PacketStatus
    generation_started_at: datetime | None = None
    """When it was begun first: the packet shows what was known then."""
    generation_completed_at: datetime | None = None
    error_message: str | None = None
    packet_size_bytes: int | None = None
    created_at: datetime


class PacketStatusDocument(_Wire, frozen=True, kw_only=True, omit_defaults=False):
    """How far a proof packet is."""

    ok: bool = True
    data: PacketStatusData


class GeneratePacket(_Wire, frozen=True, kw_only=True):
    """Nothing of it is needed: what was paid is in the ledger."""

    payout_details: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    """Accepted for the platform's callers, and not used."""


class PacketGenerated(_Wire, frozen=True, kw_only=True, omit_defaults=False):
    """The proof packet is there."""

    ok: bool = True
    message: str
    claim_id: str


def status_of(packet: PacketRecord) -> PacketStatusDocument:
    return PacketStatusDocument(
        data=PacketStatusData(
            packet_id=packet.id,
            status=packet.status,
            generation_started_at=packet.generation_started_at,
            generation_completed_at=packet.generation_completed_at,
            error_message=packet.error,
            packet_size_bytes=packet.packet_bytes,
            created_at=packet.created_at,
        )
    )


_CLAIM_ID = "CLM-2026-00417"
_KEY = ids.claim_key(TENANT, "u-208", _CLAIM_ID)
_HOURS = 24

PACKET_LINK = PacketLinkDocument(
    data=PacketLinkData(
        packet_url="https://orchestrator.example/api/v1/evidence/links/v1.eyJwYWNrZXRJZCI6.c2ln",
        claim_id=_CLAIM_ID,
        hours_valid=_HOURS,
        expires_at=int(BEGIN.timestamp()) + _HOURS * 3600,
    )
)
PACKET_STATUS = status_of(
    PacketRecord(
        id=ids.packet_id(_KEY),
        tenant_id=TENANT,
        created_at=BEGIN,
        claim_key=_KEY,
        claim_id=_CLAIM_ID,
        user_id="u-208",
        execution_id=ids.journey_id(TENANT, "u-208", "sync-17"),
        status="completed",
        generation_started_at=BEGIN,
        generation_completed_at=BEGIN,
        packet_bytes=48_211,
    )
)
PACKET_GENERATED = PacketGenerated(message="Proof packet is ready", claim_id=_CLAIM_ID)
add_requests(GeneratePacket())
