"""A journey's phases as the steps of its execution."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from blocks.claims import journeys
from blocks.contracts.claims.phases import PHASES, WORKFLOW, PhaseStatus
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.contracts.states import StepStanding
from blocks.ports import RecordStore


class PhaseStep(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The newest round of a phase, of the sync or of one claim."""

    step: str
    step_id: str
    """The phase record's id."""
    status: StepStanding
    claim_id: str | None = None
    """Whose it is, of phases 5 to 7: each claim has its own."""
    attempts: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: int | None = None
    result: JsonObject | None = None
    error: str | None = None
    error_code: str | None = None


async def phase_steps(store: RecordStore, execution: ExecutionRecord) -> list[PhaseStep]:
    """Of a journey, its phases by number, those of the claim that came first before the others;
    of any other execution, none.
    """
    if execution.workflow != WORKFLOW:
        return []
    known = await journeys.phases_of(store, execution.tenant_id, execution.id)
    return steps_of(execution, [stored.record for stored in known])


def steps_of(execution: ExecutionRecord, phases: Sequence[PhaseRecord]) -> list[PhaseStep]:
    ordered = sorted(phases, key=lambda one: (one.phase, one.created_at, one.id))
    return [_step(execution, phase) for phase in ordered]


def _step(execution: ExecutionRecord, phase: PhaseRecord) -> PhaseStep:
    standing = _STANDING[phase.status]
    if execution.is_terminal and standing in ("pending", "running"):
        standing = "skipped"
    return PhaseStep(
        step=PHASES[phase.phase].name,
        step_id=phase.id,
        status=standing,
        claim_id=phase.trigger.claim_id,
        attempts=phase.attempts,
        started_at=phase.started_at,
        completed_at=phase.completed_at,
        duration_ms=phase.duration_ms,
        result=phase.result,
        error=phase.error,
        error_code=phase.error_code,
    )


_STANDING: Mapping[PhaseStatus, StepStanding] = {
    "requested": "pending",
    "running": "running",
    "completed": "completed",
    "failed": "failed",
}
