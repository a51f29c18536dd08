"""The journey as a workflow: its steps, and the event that announces its end."""

import msgspec

from blocks.contracts import events
from blocks.contracts.claims.phases import PHASES
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import JourneyInput

STEPS = tuple(phase.name for phase in PHASES.values())


def journey_input(execution: ExecutionRecord) -> JourneyInput:
    """Whose journey it is, and of which sync."""
    return msgspec.convert(execution.input, JourneyInput)


def terminal_event(execution: ExecutionRecord) -> events.EventData:
    """The event of a journey's end: completed, or failed (cancelled included)."""
    journey = journey_input(execution)
    assert execution.completed_at is not None
    if execution.status == "completed":
        return events.ClaimRecoveryCompleted(
            workflow_id=execution.id,
            user_id=journey.user_id,
            sync_id=journey.sync_id,
            results=execution.results or {},
            timestamp=execution.completed_at,
        )
    return events.ClaimRecoveryFailed(
        workflow_id=execution.id,
        user_id=journey.user_id,
        sync_id=journey.sync_id,
        error=execution.error or f"the journey was {execution.status}",
        failed_step=execution.failed_step or msgspec.UNSET,
        error_code=execution.error_code or msgspec.UNSET,
        timestamp=execution.completed_at,
    )
