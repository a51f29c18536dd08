"""Entries of the log of phases, as a test wants them."""

from typing import Any

from msgspec.structs import replace

from blocks.contracts.claims.phases import PHASES
from blocks.contracts.records.claims import PhaseLogEntry
from tests.support.factories import A_TENANT, new_id, now

RESULTS: dict[int, dict[str, Any]] = {
    1: {"sync_id": "sync-1", "seller_id": "seller-1"},
    2: {
        "orders_count": 120,
        "inventory_items": 45,
        "detection_job_queued": True,
        "is_sandbox": False,
        "mode": "PRODUCTION",
    },
    3: {
        "claims_found": 3,
        "high_confidence": 1,
        "medium_confidence": 1,
        "success_probability": 63,
        "is_sandbox": False,
        "mode": "PRODUCTION",
    },
    4: {"matches": 3, "auto_submits": 1, "smart_prompts": 1, "manual_review": 1},
    5: {"claim_id": "claim-1", "amazon_case_id": "case-1", "status": "submitted"},
    6: {
        "claim_id": "claim-1",
        "amazon_case_id": "case-1",
        "rejection_reason": "No proof",
        "learning_triggered": True,
    },
    7: {
        "claim_id": "claim-1",
        "amazon_case_id": "case-1",
        "amount_recovered": 100.0,
        "platform_fee": 20.0,
        "seller_payout": 80.0,
        "currency": "usd",
        "proof_packet_id": "packet-1",
    },
}


def an_entry(phase: int = 1, mark: str = "completed", **changes: Any) -> PhaseLogEntry:
    """The phase of ann's sync `sync-1` has come to this mark just now."""
    entry = PhaseLogEntry(
        id=new_id(),
        tenant_id=A_TENANT,
        created_at=now(),
        execution_id=new_id(),
        user_id="ann",
        sync_id="sync-1",
        phase=PHASES[phase].number,
        claim_id="claim-1" if PHASES[phase].of_claim else None,
        round=1,
        attempt=1,
        mark=mark,  # type: ignore[arg-type] # the tests name them
        result=RESULTS[phase] if mark == "completed" else {},
        message=f"Phase {phase} {mark}",
        completes_sync=phase == 7 and mark == "completed",
    )
    return replace(entry, **changes)
