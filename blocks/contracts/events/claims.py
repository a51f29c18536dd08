"""Events of claim recovery: what became of each phase, and of a journey as a whole."""

from typing import ClassVar, cast

import msgspec

from blocks.contracts.claims.phases import PHASES, PhaseNumber
from blocks.contracts.events.base import EventData, JsonObject, Uuid
from blocks.contracts.reading.moments import Moment


class PhaseEvent(EventData, frozen=True, kw_only=True):
    """A phase of a journey began or ended; also what pages see live."""

    event_type: ClassVar[str] = "workflow.phase"
    phase: PhaseNumber
    workflow_id: Uuid
    user_id: str
    sync_id: str
    other_sync_ids: list[str] = []
    """Further names of the journey: the default ids of claims that joined it."""
    claim_id: str | msgspec.UnsetType = msgspec.UNSET
    round: int = 1
    timestamp: Moment
    result: JsonObject = {}
    message: str = ""
    error: str | msgspec.UnsetType = msgspec.UNSET
    error_code: str | msgspec.UnsetType = msgspec.UNSET
    duration_ms: int | msgspec.UnsetType = msgspec.UNSET
    violates_limit: bool = False
    """It completed after more than its service level."""
    rollback_to: PhaseNumber | msgspec.UnsetType = msgspec.UNSET
    completes_sync: bool = False
    """It was the last that the journey waited for."""


def _kinds(outcome: str) -> tuple[type[PhaseEvent], ...]:
    made = (
        msgspec.defstruct(
            f"Phase{number}{outcome.capitalize()}",
            [],
            bases=(PhaseEvent,),
            namespace={"event_type": f"workflow.phase.{number}.{outcome}", "__doc__": doc},
            module=__name__,
            frozen=True,
            kw_only=True,
            rename="camel",
            omit_defaults=True,
        )
        for number, doc in (
            (number, f"{phase.title}: {outcome}.") for number, phase in PHASES.items()
        )
    )
    return tuple(cast(type[PhaseEvent], kind) for kind in made)


PHASE_STARTED = _kinds("started")
PHASE_COMPLETED = _kinds("completed")
PHASE_FAILED = _kinds("failed")

PHASE_EVENTS: dict[tuple[int, str], type[PhaseEvent]] = {
    (number, outcome): kind
    for outcome, kinds in (
        ("started", PHASE_STARTED),
        ("completed", PHASE_COMPLETED),
        ("failed", PHASE_FAILED),
    )
    for number, kind in enumerate(kinds, start=1)
}


class ClaimRecoveryCompleted(EventData, frozen=True, kw_only=True):
    """A journey has ended: every claim that it named is paid, rejected or declined."""

    event_type: ClassVar[str] = "workflow.claim.recovery.completed"
    workflow_id: Uuid
    user_id: str
    sync_id: str
    results: JsonObject
    timestamp: Moment


class ClaimRecoveryFailed(EventData, frozen=True, kw_only=True):
    """A journey has ended without its goal: a phase failed, or it was cancelled."""

    event_type: ClassVar[str] = "workflow.claim.recovery.failed"
    workflow_id: Uuid
    user_id: str
    sync_id: str
    error: str
    failed_step: str | msgspec.UnsetType = msgspec.UNSET
    error_code: str | msgspec.UnsetType = msgspec.UNSET
    timestamp: Moment
