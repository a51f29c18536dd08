"""Facts of a paid claim, as a packet shows them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from blocks.claims.packets import EvidenceDocument, PacketFacts, PromptFact
from blocks.contracts import ids
from blocks.contracts.claims.money import Currency
from blocks.contracts.records.claims import ClaimRecord, FeeRecord, PacketRecord, PhaseLogEntry
from blocks.ports import RecordStore
from tests.support.factories import A_TENANT, new_id
from tests.support.payouts.payments import a_claim

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

_MESSAGES = (
    (1, "Phase 1: Onboarding complete - sync started", 21_400),
    (2, "Phase 2: Money discovery complete - detection queued", 3_080),
    (3, "Phase 3: Detection complete - evidence matching triggered", 8_230),
    (4, "Phase 4: Evidence matching complete - routing claims", 912),
    (5, "Phase 5: Claim submitted - tracking started", 640),
)


def a_paid_claim(**changes: Any) -> ClaimRecord:
    return a_claim(
        **{
            "claim_id": "CLM-2026-00417",
            "user_id": "Ann Weaver",
            "claim_type": "lost_inventory",
            "amount_cents": 130_000,
            "confidence": 0.91,
            "match_confidence": 0.72,
            "amazon_case_id": "11873401652",
            "submitted_at": NOON - timedelta(days=12),
            "status": "paid",
            **changes,
        }
    )


def a_fee(
    claim: ClaimRecord,
    amount_cents: int = 123_456,
    fee_cents: int = 24_691,
    currency: Currency = "usd",
    **changes: Any,
) -> FeeRecord:
    return FeeRecord(
        **{
            "id": ids.fee_id(claim.id),
            "tenant_id": claim.tenant_id,
            "created_at": NOON,
            "claim_key": claim.id,
            "claim_id": claim.claim_id,
            "user_id": claim.user_id,
            "execution_id": claim.execution_id,
            "amount_cents": amount_cents,
            "currency": currency,
            "fee_percent": "20",
            "fee_cents": fee_cents,
            "payout_cents": amount_cents - fee_cents,
            "idempotency_key": ids.fee_id(claim.id),
            "status": "charged",
            "charge_id": "ch_3OqT7vK2",
            "charged_at": NOON,
            **changes,
        }
    )


async def a_paid_claim_in(store: RecordStore, tenant_id: str = A_TENANT) -> ClaimRecord:
    """A claim in the store whose fee is settled; its key is its id, too."""
    id = new_id()
    claim = a_paid_claim(id=id, claim_id=id, tenant_id=tenant_id)
    await store.create(tenant_id, claim)
    await store.create(tenant_id, a_fee(claim))
    await store.create(tenant_id, a_packet(claim))
    return claim


def a_packet(claim: ClaimRecord) -> PacketRecord:
    """Completed, and its archive is lost."""
    return PacketRecord(
        id=ids.packet_id(claim.id),
        tenant_id=claim.tenant_id,
        created_at=NOON,
        claim_key=claim.id,
        claim_id=claim.claim_id,
        user_id=claim.user_id,
        execution_id=claim.execution_id,
        status="completed",
        generation_started_at=NOON,
        generation_completed_at=NOON,
        packet_bytes=1,
        sha256="0" * 64,
    )


def an_entry(claim: ClaimRecord, phase: Any, at: datetime, **changes: Any) -> PhaseLogEntry:
    owner = claim.id if phase >= 5 else claim.execution_id
    record = ids.phase_record_id(owner, phase)
    mark = changes.get("mark", "completed")
    return PhaseLogEntry(
        **{
            "id": ids.phase_log_id(record, 1, mark),
            "tenant_id": claim.tenant_id,
            "created_at": at,
            "execution_id": claim.execution_id,
            "user_id": claim.user_id,
            "sync_id": claim.sync_id,
            "phase": phase,
            "claim_key": claim.id if phase >= 5 else None,
            "claim_id": claim.claim_id if phase >= 5 else None,
            "round": 1,
            "mark": "completed",
            **changes,
        }
    )


def facts(claim: ClaimRecord | None = None, fee: FeeRecord | None = None) -> PacketFacts:
    claim = claim or a_paid_claim()
    begun = NOON - timedelta(days=12, minutes=9)
    return PacketFacts(
        claim=claim,
        fee=fee or a_fee(claim),
        documents=[
            EvidenceDocument(
                id="doc-88231",
                filename="Invoice 2025-1187.pdf",
                metadata={
                    "match_type": "sku_match",
                    "match_confidence": 0.72,
                    "reasoning": "Same SKU, and the invoice is within 30 days of the order",
                },
            ),
            EvidenceDocument(
                id="doc-88232", filename="packing list.csv", content=b"sku,units\nA-1,40\n"
            ),
        ],
        prompts=[
            PromptFact(
                question="Does **Invoice 2025-1187.pdf** belong to this claim?",
                status="approved",
                asked_at=NOON - timedelta(days=12, hours=1),
                answer="Yes, it does",
                answered_by="Ann Weaver",
                answered_at=NOON - timedelta(days=12),
                reason="Same order number",
            )
        ],
        timeline=[
            an_entry(claim, phase, begun + timedelta(minutes=phase), message=text, duration_ms=took)
            for phase, text, took in _MESSAGES
        ],
    )
