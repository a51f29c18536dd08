"""Posting an event: it is in the listener's queue when this returns."""

import secrets
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts.envelope import SERVICE, WireEnvelope
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.platform_events import POSTED, PlatformEvent
from blocks.ports import EventBus, Message, Unavailable, Unroutable

SOURCE = "orchestrator"
"""Of events that name none."""

VIA = "via"
"""Header of an event that need not go to Redis: it came from there, or is the copy of a posted one.
"""

VIA_REDIS = "redis"
VIA_LISTENER = "listener"

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_event(event_type: str, payload: Any, id: str | None = None) -> PlatformEvent:
    """The event as of now, under this id or a new one."""
    now = utc_now()
    return PlatformEvent(
        id=id or _new_id(now), type=event_type, payload=payload, timestamp=now, source=SOURCE
    )


async def post(bus: EventBus, event: PlatformEvent, *, via: str = "") -> None:
    """The broker has confirmed the event to the listener's queue. Raises `Unavailable`."""
    message = as_message(event, POSTED)
    if via:
        message = replace(message, headers={**message.headers, VIA: via})
    try:
        await bus.publish(message, required=True)
    except Unroutable as error:
        raise Unavailable(
            f"no queue takes events ({error}): run `orchestrator bootstrap`"
        ) from None


def as_message(event: PlatformEvent, routing_key: str) -> Message:
    """The event between processes of ours."""
    return Message(
        id=event.id,
        routing_key=routing_key,
        body=msgspec.json.encode(event),
        timestamp=event.timestamp,
        headers={"tenantId": SYSTEM_TENANT},
    )


def on_the_exchange(event: PlatformEvent) -> Message:
    """The event under its own type and id, in the platform's envelope, for other services."""
    envelope = WireEnvelope(
        id=event.id,
        type=event.type,
        timestamp=event.timestamp,
        tenant_id=SYSTEM_TENANT,
        data=event.payload,
        source=SERVICE if event.source == SOURCE else event.source,
    )
    return Message(
        id=event.id,
        routing_key=event.type,
        body=msgspec.json.encode(envelope),
        timestamp=event.timestamp,
        headers={"tenantId": SYSTEM_TENANT, "version": envelope.version, VIA: VIA_LISTENER},
    )


def _new_id(now: datetime) -> str:
    """`evt_<ms>_<9 base36>`, as the platform's operations service names events."""
    drawn = "".join(secrets.choice(_DIGITS) for _ in range(9))
    return f"evt_{int(now.timestamp() * 1000)}_{drawn}"
