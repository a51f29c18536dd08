"""An event as the bus carries it."""

from blocks.contracts import traces
from blocks.contracts.envelope import Event, encode_event
from blocks.contracts.events import EventData
from blocks.ports import Message


def to_message(event: Event[EventData]) -> Message:
    """The documented envelope under the event's own id, routed by its type.

    Its tenant, its trace and what it is about stand in headers.
    """
    headers = {"tenantId": event.tenant_id, "version": "1.0.0", **event.about.headers}
    if event.traceparent:
        headers[traces.HEADER] = event.traceparent
    return Message(
        id=event.id,
        routing_key=event.type,
        body=encode_event(event),
        timestamp=event.timestamp,
        headers=headers,
    )
