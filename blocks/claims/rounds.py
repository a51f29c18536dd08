"""A round of a phase: begun, completed or failed; on its record, in the log and as an event.

Its record is written first. A crash behind that leaves `announced_at` empty, and `announce`, which
whoever carries the journey next calls for every ended phase, writes and publishes the rest under
the same ids.
"""

from datetime import datetime

from msgspec.structs import replace

from blocks.claims import log
from blocks.claims.requests import next_round
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.claims.phases import PHASES, PhaseNumber, PhaseStatus
from blocks.contracts.events import JsonObject
from blocks.contracts.records.claims import PhaseLogEntry, PhaseMark, PhaseRecord
from blocks.ports import EventBus, RecordStore, Stale, Stored
from blocks.processes import fault_points
from blocks.updates import update_known


async def begin(
    store: RecordStore,
    bus: EventBus,
    phase: Stored[PhaseRecord],
    *,
    previous: PhaseNumber | None,
    retry: int,
) -> Stored[PhaseRecord]:
    """One attempt more of the round, and it is running; `retry`: the try of its journey. Raises
    `Stale` if it changed: read again.

    A round whose worker died is begun once more: its calls carry the same keys.
    """
    if phase.record.status not in ("requested", "running"):
        raise Stale(f"phase {phase.record.id} is {phase.record.status}")
    record = replace(
        phase.record,
        status="running",
        started_at=phase.record.started_at or _not_before(phase.record.requested_at),
        attempts=phase.record.attempts + 1,
        retry=retry,
        previous_phase=previous,
    )
    begun = await store.replace(record.tenant_id, phase.etag, record)
    # One line however many attempts: a page shows the beginning once.
    await log.write(store, bus, _entry(begun.record, "started"))
    fault_points.reached("after-phase-begun")
    return begun


async def complete(
    store: RecordStore,
    bus: EventBus,
    phase: Stored[PhaseRecord],
    result: JsonObject,
    message: str,
    *,
    previous: PhaseNumber | None,
    completes_sync: bool = False,
) -> Stored[PhaseRecord]:
    """The round is completed with this result, unless it has ended otherwise meanwhile; announced,
    and the next round requested if a trigger is queued.
    """
    ended = await _end(
        store,
        phase,
        previous,
        status="completed",
        result=result,
        message=message,
        completes_sync=completes_sync,
    )
    fault_points.reached("after-phase-end")
    return await announce(store, bus, ended, previous=previous, completes_sync=completes_sync)


async def fail(
    store: RecordStore,
    bus: EventBus,
    phase: Stored[PhaseRecord],
    code: str,
    error: str,
    *,
    previous: PhaseNumber | None,
) -> Stored[PhaseRecord]:
    """As `complete`, for a round whose calls have failed, retries included."""
    ended = await _end(store, phase, previous, status="failed", error=error, error_code=code)
    fault_points.reached("after-phase-end")
    return await announce(store, bus, ended, previous=previous)


async def close(
    store: RecordStore, bus: EventBus, phase: Stored[PhaseRecord], code: str, error: str
) -> Stored[PhaseRecord]:
    """The round of a phase whose journey has ended from outside is over, on record, in the log and
    as an event: as it had ended, or failed so.
    """
    ended = await _end(
        store,
        phase,
        None,
        of=("requested", "running"),
        status="failed",
        error=error,
        error_code=code,
    )
    return await announce(store, bus, ended, previous=None)


async def announce(
    store: RecordStore,
    bus: EventBus,
    phase: Stored[PhaseRecord],
    *,
    previous: PhaseNumber | None,
    completes_sync: bool = False,
) -> Stored[PhaseRecord]:
    """The end of the round is logged and published, and its record shows that; a queued trigger is
    requested then. Nothing for what has not ended.

    `previous` and `completes_sync` count where the record has none: it keeps what they were when
    the round was begun and ended, so that whoever announces it writes the same line.
    """
    record = replace(
        phase.record,
        previous_phase=phase.record.previous_phase or previous,
        completes_sync=phase.record.completes_sync or completes_sync,
    )
    if record.status not in ("completed", "failed"):
        return phase
    if record.announced_at is None:
        mark: PhaseMark = "completed" if record.status == "completed" else "failed"
        entry = await log.write(store, bus, _entry(record, mark))
        if entry.rollback_to is not None:
            await log.write(store, bus, _entry(record, "rolled_back"))

    async def announced(now: Stored[PhaseRecord]) -> Stored[PhaseRecord]:
        current = now.record
        if current.round != record.round or current.status != record.status:
            return now
        changed = replace(current, announced_at=current.announced_at or utc_now())
        if current.next_trigger is not None:
            following = next_round(current, current.next_trigger, current.next_triggered_by)
            changed = replace(current, **following)
        if changed == current:
            return now
        return await store.replace(current.tenant_id, now.etag, changed)

    return await update_known(store, phase, announced)


async def _end(
    store: RecordStore,
    phase: Stored[PhaseRecord],
    previous: PhaseNumber | None,
    *,
    of: tuple[PhaseStatus, ...] = ("running",),
    **changes: object,
) -> Stored[PhaseRecord]:
    """Ended with these changes if it still is in one of these states, and in this round."""
    round = phase.record.round

    async def ended(now: Stored[PhaseRecord]) -> Stored[PhaseRecord]:
        record = now.record
        if record.round != round or record.status not in of:
            return now
        changed = replace(
            record,
            completed_at=_not_before(record.started_at or record.requested_at),
            announced_at=None,
            previous_phase=record.previous_phase if previous is None else previous,
            **changes,
        )
        return await store.replace(record.tenant_id, now.etag, changed)

    return await update_known(store, phase, ended)


def _not_before(earlier: datetime) -> datetime:
    """Now, by a clock that may have been put back or be another host's."""
    return max(utc_now(), earlier)


def _entry(record: PhaseRecord, mark: PhaseMark) -> PhaseLogEntry:
    phase, duration, previous = PHASES[record.phase], record.duration_ms, record.previous_phase
    too_long = duration is not None and duration > phase.limit_seconds * 1000
    failed = mark in ("failed", "rolled_back")
    moment = record.started_at if mark == "started" else record.completed_at
    return PhaseLogEntry(
        id=ids.phase_log_id(record.id, record.round, mark),
        tenant_id=record.tenant_id,
        created_at=moment or record.requested_at,
        execution_id=record.execution_id,
        user_id=record.user_id,
        sync_id=record.sync_id,
        other_sync_ids=_others(record),
        phase=record.phase,
        claim_key=record.claim_key,
        claim_id=record.trigger.claim_id,
        round=record.round,
        attempt=record.attempts,
        mark=mark,
        triggered_by=record.triggered_by,
        duration_ms=duration if mark != "started" else None,
        violates_limit=mark == "completed" and too_long,
        previous_phase=previous,
        rollback_to=previous if failed and rolls_back(record.phase, previous) else None,
        result=record.result or {} if mark == "completed" else {},
        message=record.message or "" if mark == "completed" else "",
        error=record.error if mark != "started" else None,
        error_code=record.error_code if mark != "started" else None,
        completes_sync=record.completes_sync and mark == "completed",
    )


def rolls_back(phase: PhaseNumber, previous: PhaseNumber | None) -> bool:
    """As the platform's orchestrator notifies it: not of phase 1, nor back to it."""
    return phase > 1 and previous is not None and previous != 1


def _others(record: PhaseRecord) -> list[str]:
    named = record.trigger.sync_id
    return [named] if named and named != record.sync_id else []
