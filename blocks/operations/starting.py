"""Requests that an operation runs. The same one opens one execution, however often it is made."""

from datetime import datetime

from blocks.actions.starting import StartRequest
from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.operations import Operation
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.operations import EventRecord
from blocks.ports import NotFound, RecordStore

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


def execution_id_of(request: StartRequest) -> str:
    """Of the one execution that this request opens."""
    trigger = ids.start_id(ids.SYSTEM_TENANT, request.workflow, request.key)
    return ids.execution_id(ids.SYSTEM_TENANT, request.workflow, trigger)


async def is_open_already(store: RecordStore, request: StartRequest) -> bool:
    """Whether this request has an execution, ended or not."""
    try:
        await store.read(ids.SYSTEM_TENANT, ExecutionRecord, execution_id_of(request))
    except NotFound:
        return False
    return True
