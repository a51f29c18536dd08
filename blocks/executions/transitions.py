"""What every process does to an execution: open it, move it, announce its end. Each is safe to do
twice.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from blocks.clock import utc_now
from blocks.contracts import ids, rejections, traces, workflows
from blocks.contracts.about import About
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, JsonObject
from blocks.contracts.reading.uuids import matching_id
from blocks.contracts.records import ExecutionRecord, PreviousOutcome, Trigger
from blocks.contracts.states import ExecutionStatus, check_transition
from blocks.executions import tracing
from blocks.messages import to_message
from blocks.observability.metrics import work
from blocks.ports import EventBus, NotFound, RecordStore, Stored, UnreadableRecord
from blocks.processes import fault_points
from blocks.updates import update

_ERROR_KEPT = 500
"""Characters of a previous outcome's error to keep; the failed step's own record has it whole."""


def new_execution(
    tenant_id: str,
    workflow: str,
    subject: str,
    trigger: Trigger,
    input: JsonObject,
    *,
    priority: int = 0,
) -> ExecutionRecord:
    """A pending execution caused by this trigger; its id is computed from the trigger's event."""
    now = utc_now()
    return ExecutionRecord(
        id=ids.execution_id(tenant_id, workflow, trigger.event_id),
        tenant_id=tenant_id,
        workflow=workflow,
        subject=matching_id(subject),
        subject_as_sent=subject if subject != matching_id(subject) else None,
        status="pending",
        triggers=[trigger],
        trigger_ids=[trigger.event_id],
        input=input,
        priority=priority,
        created_at=now,
        updated_at=now,
    )


async def change(
    store: RecordStore, stored: Stored[ExecutionRecord], **changes: Any
) -> Stored[ExecutionRecord]:
    """The record with these changes. Raises `Stale` if it changed since it was read."""
    record = msgspec.structs.replace(stored.record, updated_at=utc_now(), **changes)
    return await store.replace(record.tenant_id, stored.etag, record)


async def move(
    store: RecordStore, stored: Stored[ExecutionRecord], status: ExecutionStatus, **changes: Any
) -> Stored[ExecutionRecord]:
    """The one way to a new status. Raises `InvalidTransition` and, after another write, `Stale`."""
    check_transition(stored.record.status, status)
    moved = await change(store, stored, status=status, **changes)
    work.moved(stored.record, moved.record)
    return moved


async def change_all(
    store: RecordStore, changes: Sequence[tuple[Stored[ExecutionRecord], Mapping[str, Any]]]
) -> list[Stored[ExecutionRecord] | None]:
    """The records of one tenant with these changes, as `change` or `move` makes each of them; None
    in the place of one that is gone or changed since it was read.
    """
    if not changes:
        return []
    now = utc_now()
    for stored, what in changes:
        if status := what.get("status"):
            check_transition(stored.record.status, status)
    changed = [
        Stored(msgspec.structs.replace(stored.record, updated_at=now, **what), stored.etag)
        for stored, what in changes
    ]
    written = await store.replace_all(changed[0].record.tenant_id, changed)
    for (before, what), after in zip(changes, written, strict=True):
        if after is not None and "status" in what:
            work.moved(before.record, after.record)
    return written


async def complete(
    store: RecordStore, stored: Stored[ExecutionRecord], **changes: Any
) -> Stored[ExecutionRecord]:
    """The execution has ended with its results; `announce` is still due."""
    return await move(store, stored, **completion(**changes))


def completion(**changes: Any) -> dict[str, Any]:
    """What `complete` changes, for `change_all`."""
    return {"status": "completed", "completed_at": utc_now(), **changes}


async def fail(
    store: RecordStore, stored: Stored[ExecutionRecord], code: str, error: str, **changes: Any
) -> Stored[ExecutionRecord]:
    """The execution has ended without a result; `announce` is still due."""
    return await move(
        store, stored, "failed", error=error, error_code=code, completed_at=utc_now(), **changes
    )


async def cancel(
    store: RecordStore, stored: Stored[ExecutionRecord], reason: str
) -> Stored[ExecutionRecord]:
    """The execution has been cancelled; `announce` is still due, and publishes it as a failure."""
    return await move(
        store,
        stored,
        "cancelled",
        error=reason,
        error_code=rejections.CANCELLED,
        completed_at=utc_now(),
    )


def refusals(execution: ExecutionRecord, step: str | None = None) -> str:
    """For the end of an error: which answers (to this step) came and were refused; empty if none
    did.
    """
    refused = [answer for answer in execution.refused_answers if step in (None, answer.step)]
    if not refused:
        return ""
    answers = (
        "1 answer was refused" if len(refused) == 1 else f"{len(refused)} answers were refused"
    )
    return f"; {answers}: {refused[-1].code}: {refused[-1].reason}"


async def reopen(
    store: RecordStore, stored: Stored[ExecutionRecord], actor: str | None = None
) -> Stored[ExecutionRecord]:
    """Pending again, its end kept as a previous outcome. Raises `Stale` after another write.

    The attempts count on: a worker that still holds an earlier one cannot write.
    """
    ended = stored.record
    end = PreviousOutcome(
        status=ended.status,
        completed_at=ended.completed_at,
        retried_at=utc_now(),
        retried_by=actor,
        error=ended.error and ended.error[:_ERROR_KEPT],
        error_code=ended.error_code,
        failed_step=ended.failed_step,
        flow_run_id=ended.flow_run_id,
    )
    return await change(
        store,
        stored,
        status="pending",
        previous_outcomes=[*ended.previous_outcomes, end],
        started_at=None,
        held_since=None,
        completed_at=None,
        announced_at=None,
        flow_run_id=None,
        results=None,
        missing_steps=[],
        error=None,
        error_code=None,
        failed_step=None,
        refused_answers=[],
    )


async def announce(
    store: RecordStore, bus: EventBus, ended: Sequence[Stored[ExecutionRecord]]
) -> None:
    """The terminal events of these executions of one tenant are confirmed by the broker, as their
    records state.

    Raises `Unavailable` when the broker or the store is down: the records still show what is due,
    and the event has the same id and body when it is published again.
    """
    owed = [stored for stored in ended if stored.record.announced_at is None]
    if not owed:
        return
    fault_points.reached("after-end")
    await bus.publish(*(to_message(terminal_event(stored.record)) for stored in owed))
    fault_points.reached("after-announcement")
    announced_at = utc_now()
    marked = await change_all(store, [(stored, {"announced_at": announced_at}) for stored in owed])
    changed = [stored.record for stored, mark in zip(owed, marked, strict=True) if mark is None]
    await asyncio.gather(*(_mark_announced(store, record) for record in changed))
    await tracing.export(store, [stored.record for stored in owed])


async def _mark_announced(store: RecordStore, record: ExecutionRecord) -> None:
    """Recorded despite a concurrent change, so that the event is not published twice; nothing is if
    the record is gone or cannot be read.
    """

    async def marked() -> None:
        now = await store.read(record.tenant_id, ExecutionRecord, record.id)
        # Otherwise another process announced the same event, under the same id.
        if now.record.announced_at is None and now.record.retries == record.retries:
            await change(store, now, announced_at=utc_now())

    with suppress(NotFound, UnreadableRecord):
        await update(marked, f"execution {record.id}")


def terminal_event(execution: ExecutionRecord) -> Event[EventData]:
    """The one event that announces the end of this try; computed from the record alone."""
    assert execution.completed_at is not None, (
        "only an execution that has ended has a terminal event"
    )
    return Event(
        id=ids.terminal_event_id(execution.id, execution.retries),
        tenant_id=execution.tenant_id,
        timestamp=execution.completed_at,
        traceparent=str(traces.of_execution(execution)),
        about=About.execution(execution),
        data=workflows.workflow_named(execution.workflow).terminal_event(execution),
    )
