"""Requests that an operation runs, and which of its runs is at work. The same request opens one
execution, however often it is made.
"""

from datetime import datetime

from blocks.actions.starting import StartRequest
from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.operations import Operation
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.operations import EventRecord
from blocks.contracts.states import OPEN
from blocks.ports import NotFound, RecordStore
from blocks.queries import every

BY_HAND = "by hand"
"""The subject of an execution that a person or a program requested."""


def of_tick(operation: Operation, at: datetime) -> StartRequest:
    """What the schedule requests at this moment."""
    return StartRequest(
        workflow=operation.id,
        subject=f"{at:%Y-%m-%d %H:%M}",
        input={"triggeredBy": "scheduler"},
        key=f"tick {at.isoformat()}",
    )


def by_hand(operation: Operation, input: JsonObject, key: str) -> StartRequest:
    """A request that no schedule and no event made."""
    return StartRequest(workflow=operation.id, subject=BY_HAND, input=input, key=key)


def of_event(operation: Operation, event: EventRecord) -> StartRequest:
    """What this event requests. The fields of its payload are input by themselves, and so is the
    event as a whole.
    """
    fields = event.payload if isinstance(event.payload, dict) else {}
    whole = {
        "id": event.event_id,
        "type": event.event_type,
        "payload": event.payload,
        "timestamp": event.occurred_at.isoformat(),
        "source": event.source,
    }
    return StartRequest(
        workflow=operation.id,
        subject=event.event_type,
        input={**fields, "triggerEvent": whole},
        key=f"event {event.event_id}",
    )


async def is_open_already(store: RecordStore, request: StartRequest) -> bool:
    """Whether this request has an execution, ended or not."""
    trigger = ids.start_id(ids.SYSTEM_TENANT, request.workflow, request.key)
    execution = ids.execution_id(ids.SYSTEM_TENANT, request.workflow, trigger)
    try:
        await store.read(ids.SYSTEM_TENANT, ExecutionRecord, execution)
    except NotFound:
        return False
    return True


async def at_work(store: RecordStore, operation: Operation) -> ExecutionRecord | None:
    """An execution of the operation that has not ended."""
    of_it = {"workflow": operation.id, "status": OPEN}
    async for stored in every(store, ids.SYSTEM_TENANT, ExecutionRecord, of_it):
        return stored.record
    return None


async def ahead_of(store: RecordStore, execution: ExecutionRecord) -> ExecutionRecord | None:
    """An execution of the same operation that began before this one and is still running."""
    running = {"workflow": execution.workflow, "status": "running"}
    async for stored in every(store, ids.SYSTEM_TENANT, ExecutionRecord, running):
        if _order(stored.record) < _order(execution):
            return stored.record
    return None


def _order(execution: ExecutionRecord) -> tuple[datetime, str]:
    return execution.started_at or execution.created_at, execution.id
