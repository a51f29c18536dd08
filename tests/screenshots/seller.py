"""Sellers in the middle of claim recovery: journeys in several phases, with claims and money."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from blocks.contracts import ids
from blocks.contracts.claims.phases import PHASES
from blocks.contracts.claims.requests import PhaseTrigger
from blocks.contracts.records import ExecutionRecord, Record
from blocks.contracts.records.claims import ClaimRecord, PhaseRecord
from tests.support.claims.records import A_USER, a_claim, a_journey, a_prompt_about
from tests.support.factories import A_TENANT, now
from tests.support.payouts.packets import a_fee, a_packet, an_entry

SYNC = "sync-2026-11-29"
"""Of the journey that has all there is to show."""

_TOOK = (21.4, 38.0, 61.3, 12.9, 3.1, 6.0, 4.4)


def journeys() -> Iterator[Record]:
    """The records, the fullest journey first."""
    at = now()
    yield from _full(at - timedelta(days=2))
    for sync, user, phase, status, days in (
        ("sync-2026-11-28", "seller-72", 4, "waiting", 1),
        ("sync-2026-11-27", "seller-15", 2, "running", 0.02),
        ("sync-2026-11-20", "seller-31", 3, "failed", 9),
        ("sync-2026-11-14", "seller-72", 7, "completed", 15),
    ):
        began = at - timedelta(days=days)
        journey = replace(_journey(sync, user, status, began), results={"phase": phase})
        yield journey
        for number in range(1, phase + 1):
            is_last = number == phase
            state = {"running": "running", "failed": "failed"}.get(status, "completed")
            yield _phase(journey, number, began, state if is_last else "completed")


def _full(began: datetime) -> Iterator[Record]:
    journey = replace(_journey(SYNC, A_USER, "waiting", began), results={"phase": 7})
    paid, sent, asked, lost = (
        _claim(journey, "CLM-4417", "paid", 130_000, "lost_inventory"),
        _claim(journey, "CLM-4418", "submitted", 48_250, "damaged_in_warehouse"),
        _claim(journey, "CLM-4419", "prompted", 12_550, "overcharged_fee"),
        _claim(journey, "CLM-4420", "rejected", 7_900, "missing_return"),
    )
    paid = replace(paid, amazon_case_id="11873401652", match_confidence=0.97)
    sent = replace(sent, amazon_case_id="11873409917", match_confidence=0.91)
    lost = replace(lost, rejection_reason="The return was scanned", match_confidence=0.66)
    prompt = a_prompt_about(asked)
    prompt = replace(
        prompt,
        amount=0.0,
        risk_score=0.0,
        created_at=began + timedelta(minutes=4),
        requested_at=began + timedelta(minutes=4),
        expires_at=now() + timedelta(hours=22),
        context={
            **prompt.context,
            "question": "Does Invoice 2025-1187.pdf prove this claim?",
            "confidence": 0.72,
            "matchType": "sku_match",
            "evidenceDocumentId": "doc-88231",
            "reasoning": "Same SKU, and the invoice is within 30 days of the order.",
        },
    )
    yield from (journey, paid, sent, replace(asked, approval_id=prompt.id), lost, prompt)
    fee = a_fee(paid, 130_000, 26_000, created_at=began + timedelta(hours=30))
    yield from (fee, a_packet(paid))
    for number in range(1, 8):
        yield _phase(journey, number, began, "completed", paid)
        yield an_entry(
            paid,
            number,
            began + timedelta(minutes=number),
            duration_ms=int(_TOOK[number - 1] * 1000),
            message=PHASES[number].title.partition(": ")[2] + " done",
        )


def _journey(sync: str, user: str, status: Any, began: datetime) -> ExecutionRecord:
    return a_journey(
        id=ids.journey_id(A_TENANT, user, sync),
        subject=user,
        status=status,
        created_at=began,
        started_at=began,
        updated_at=began + timedelta(minutes=3),
        completed_at=began + timedelta(hours=30) if status in ("completed", "failed") else None,
        error="the sync's data could not be read" if status == "failed" else None,
        failed_step="phase_3" if status == "failed" else None,
        input={"userId": user, "syncId": sync, "sellerId": "", "namedByClaim": False},
    )


def _claim(
    journey: ExecutionRecord, name: str, status: Any, cents: int, claim_type: str
) -> ClaimRecord:
    return a_claim(
        journey,
        id=ids.claim_key(A_TENANT, A_USER, name),
        claim_id=name,
        status=status,
        amount_cents=cents,
        claim_type=claim_type,
        match_confidence=0.72,
    )


def _phase(
    journey: ExecutionRecord,
    number: Any,
    began: datetime,
    status: Any,
    claim: ClaimRecord | None = None,
) -> PhaseRecord:
    of_claim = claim if number >= 5 else None
    owner = of_claim.id if of_claim else journey.id
    at = began + timedelta(minutes=number)
    ended = at + timedelta(seconds=_TOOK[number - 1])
    return PhaseRecord(
        id=ids.phase_record_id(owner, number),
        tenant_id=A_TENANT,
        created_at=at,
        execution_id=journey.id,
        user_id=journey.subject,
        sync_id=str(journey.input["syncId"]),
        phase=number,
        claim_key=of_claim.id if of_claim else None,
        status=status,
        trigger=PhaseTrigger(
            phase=number,
            user_id=journey.subject,
            sync_id=str(journey.input["syncId"]),
            names_sync=True,
            claim_id=of_claim.claim_id if of_claim else None,
        ),
        requested_at=at,
        started_at=at,
        completed_at=None if status == "running" else ended,
        announced_at=None if status == "running" else ended,
        result={} if status == "completed" else None,
        error="the sync's data could not be read" if status == "failed" else None,
    )
