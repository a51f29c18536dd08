"""An event from a file, validated exactly as events from the bus."""

from typing import Any
from uuid import uuid4

import msgspec

from blocks.clock import utc_now
from blocks.contracts.envelope import PUBLISHED_VERSION, Event, UnknownEventType, decode_event
from blocks.contracts.events import CONSUMED, PUBLISHED, EventData
from blocks.contracts.rejections import MALFORMED_JSON, SCHEMA_INVALID, Rejected
from blocks.json_text import read_json
from blocks.ports import Message

KNOWN = {**PUBLISHED, **CONSUMED}


def read_event(body: bytes, *, name: str) -> Message:
    """The event to publish: as written, with `id` and `timestamp` filled in where absent.

    Raises `Rejected`, naming the file, the code and the field.
    """
    try:
        filled = _fill_in(_json_object(body))
        event = _decoded(filled)
    except Rejected as refusal:
        raise Rejected(refusal.code, f"{refusal.reason} (in {name})") from None
    return Message(
        id=event.id,
        routing_key=event.type,
        body=filled,
        timestamp=event.timestamp,
        headers={"tenantId": event.tenant_id, "version": PUBLISHED_VERSION},
    )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = read_json(body)
    except ValueError as error:
        raise Rejected(MALFORMED_JSON, str(error)) from None
    if not isinstance(value, dict):
        raise Rejected(SCHEMA_INVALID, f"an event is a JSON object, this is {_json_name(value)}")
    return value


def _fill_in(envelope: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"id": str(uuid4()), "timestamp": utc_now(), **envelope})


def _decoded(body: bytes) -> Event[EventData]:
    try:
        return decode_event(body, received_at=utc_now(), types=KNOWN)
    except UnknownEventType as unknown:
        known = ", ".join(sorted(KNOWN))
        raise Rejected(SCHEMA_INVALID, f"type {unknown.event_type!r} is none of: {known}") from None


def _json_name(value: Any) -> str:
    return {list: "an array", str: "a string", type(None): "null", bool: "a boolean"}.get(
        type(value), "a number"
    )
