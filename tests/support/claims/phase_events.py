"""An example of each event of claim recovery, as the bus carries it."""

from datetime import datetime
from typing import Any, cast

from blocks.contracts.claims.phases import PHASES, PhaseNumber
from blocks.contracts.events.base import EventData
from blocks.contracts.events.claims import (
    PHASE_EVENTS,
    ClaimRecoveryCompleted,
    ClaimRecoveryFailed,
    PhaseEvent,
)


def claim_recovery_events(execution_id: str, at: datetime) -> list[EventData]:
    """Each phase begun, completed and failed, and both ends of a journey."""
    return [
        *(a_phase_event(phase, outcome, execution_id, at) for phase, outcome in PHASE_EVENTS),
        ClaimRecoveryCompleted(
            workflow_id=execution_id,
            user_id="seller-1",
            sync_id="sync-1",
            results={"claimsPaid": 1},
            timestamp=at,
        ),
        ClaimRecoveryFailed(
            workflow_id=execution_id,
            user_id="seller-1",
            sync_id="sync-1",
            error="submission: no answer",
            failed_step="phase_5",
            error_code="unavailable",
            timestamp=at,
        ),
    ]


def a_phase_event(number: int, outcome: str, execution_id: str, at: datetime) -> PhaseEvent:
    """With all that such an event carries; those of a claim's phases name the claim."""
    of_claim: dict[str, Any] = {"claim_id": "clm-1"} if number >= 5 else {}
    carried: dict[str, dict[str, Any]] = {
        "started": {},
        "completed": {
            "result": {"sync_id": "sync-1"},
            "message": f"Phase {number}: {PHASES[number].title}",
            "duration_ms": 1250,
            "violates_limit": True,
            "completes_sync": number == 7,
        },
        "failed": {
            "error": "the service cannot be reached",
            "error_code": "unavailable",
            "duration_ms": 90_000,
            **({"rollback_to": number - 1} if number > 1 else {}),
        },
    }
    return PHASE_EVENTS[number, outcome](
        workflow_id=execution_id,
        phase=cast(PhaseNumber, number),
        user_id="seller-1",
        sync_id="sync-1",
        other_sync_ids=["default-1"],
        round=2,
        timestamp=at,
        **of_claim,
        **carried[outcome],
    )
