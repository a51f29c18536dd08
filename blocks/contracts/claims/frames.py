"""What pages receive over Socket.IO when a phase begins or ends: a pure function of its event, so
that what was missed can be computed again from the log.

Source of names and payloads: the platform's socket service. Pages of a user are in the room `user`,
pages that follow one sync in the room `sync`. That a phase has begun is shown as progress only:
`workflow.phase.<n>.started` is not sent to pages. Which keys of a result are read:
`blocks.contracts.claims.notifications`.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from blocks.contracts.claims import notifications
from blocks.contracts.claims.notifications import written
from blocks.contracts.claims.phases import PHASES, TOTAL_STEPS
from blocks.contracts.events import JsonObject, PhaseEvent

Room = Literal["user", "sync"]
Status = Literal["running", "completed", "failed"]

NOTIFICATION = "notification"
PROGRESS = "sync_progress_update"
SYNC_COMPLETED = "sync_completed"
_SYNC_DONE = "Sync completed successfully"

_STATUS_OF: dict[str, Status] = {
    "started": "running",
    "completed": "completed",
    "failed": "failed",
}


class Frame(msgspec.Struct, frozen=True):
    """One Socket.IO event for a room; `data` is its payload."""

    room: Room
    name: str
    data: JsonObject


def frames_of(event: PhaseEvent) -> list[Frame]:
    """All frames of this event, in the order in which they are sent."""
    return list(_frames(event))


def outcome_of(event: PhaseEvent) -> str:
    """`started`, `completed` or `failed`."""
    return event.event_type.rpartition(".")[2]


def user_progress(event: PhaseEvent) -> JsonObject:
    """The progress as the pages of a user read it."""
    phase = PHASES[event.phase]
    return {
        "syncId": event.sync_id,
        "step": event.phase,
        "totalSteps": TOTAL_STEPS,
        "currentStep": _SYNC_DONE if event.completes_sync else phase.title,
        "status": _STATUS_OF[outcome_of(event)],
        "progress": phase.percent,
        "message": event.message or phase.title,
        "metadata": event.result,
        "updatedAt": written(event.timestamp),
    }


def sync_progress(event: PhaseEvent) -> JsonObject:
    """The progress as the pages that follow a sync read it."""
    phase = PHASES[event.phase]
    return {
        "syncId": event.sync_id,
        "stage": phase.title,
        "percent": phase.percent,
        "totalCases": TOTAL_STEPS,
        "processedCases": event.phase,
        "audit": [],
        "updatedAt": written(event.timestamp),
    }


def _frames(event: PhaseEvent) -> Iterator[Frame]:
    match outcome_of(event):
        case "started":
            yield from _notified(notifications.of_start(event))
            yield Frame("user", PROGRESS, user_progress(event))
        case "completed":
            yield from _notified(notifications.of_completion(event))
            yield Frame("user", PROGRESS, user_progress(event))
            yield _phase_event(event)
            yield Frame("sync", PROGRESS, sync_progress(event))
            if event.completes_sync:
                done = {"success": True, "message": _SYNC_DONE}
                yield Frame("sync", SYNC_COMPLETED, done)
        case "failed":
            yield from _notified(notifications.of_failure(event))
            yield Frame("user", PROGRESS, user_progress(event))
            yield _phase_event(event)


def _notified(made: Iterator[notifications.Notification]) -> Iterator[Frame]:
    for notification in made:
        yield Frame("user", NOTIFICATION, msgspec.to_builtins(notification))


def _phase_event(event: PhaseEvent) -> Frame:
    outcome = outcome_of(event)
    failed = outcome == "failed"
    data = {
        "phase": event.phase,
        "event": outcome,
        "timestamp": written(event.timestamp),
        "syncId": event.sync_id,
        "result": event.result,
        "message": event.message,
        "error": notifications.stated_error(event) if failed else None,
    }
    return Frame("user", f"workflow.phase.{event.phase}.{outcome}", data)
