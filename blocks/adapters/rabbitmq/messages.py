"""Messages in AMQP's words, and back.

A message that waits for its next attempt carries headers of ours: its attempt, its routing key
(which the waiting room replaces) and, after a long delay, its moment; a handler sees none of them,
nor what the broker adds when it moves a message.
"""

from datetime import UTC, datetime
from typing import Any

from aio_pika import DeliveryMode
from aio_pika import Message as AmqpMessage
from aiormq.abc import DeliveredMessage

from blocks.adapters.consuming import dead_letter_headers, too_large
from blocks.adapters.rabbitmq.large_messages import WHOLE_SIZE
from blocks.clock import utc_now
from blocks.contracts import rejections
from blocks.contracts.envelope import SERVICE
from blocks.ports import MESSAGE_BYTES_MAX, Delivery, Message, Reject

CONTENT_TYPE = "application/json"
APP_ID = SERVICE
DELIVERY_MODE = DeliveryMode.PERSISTENT

_ATTEMPT = "x-attempts"
_ROUTING_KEY = "x-original-routing-key"
_REJECTED = "x-reject-code"
_DUE_MS = "x-due-at-ms"
_MADE_HERE = (_ATTEMPT, WHOLE_SIZE, _DUE_MS)
_MADE_BY_BROKER = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count")


def to_amqp(message: Message) -> AmqpMessage:
    """The message, persistent, under its own id. AMQP's timestamps count whole seconds."""
    return AmqpMessage(
        message.body,
        message_id=message.id,
        type=message.routing_key,
        timestamp=message.timestamp,
        content_type=CONTENT_TYPE,
        app_id=APP_ID,
        headers=dict(message.headers),
        delivery_mode=DELIVERY_MODE,
    )


def to_later_attempt(
    message: Message,
    attempt: int,
    *,
    delay_seconds: float | None = None,
    due: datetime | None = None,
) -> AmqpMessage:
    """A copy that comes back as this attempt; with a delay, it expires in the waiting room.

    With `due`, it waits again if it comes back before that moment.
    """
    copy = to_amqp(message)
    copy.headers |= {_ATTEMPT: attempt, _ROUTING_KEY: message.routing_key}
    if due is not None:
        copy.headers |= {_DUE_MS: int(due.timestamp() * 1000)}
    copy.expiration = delay_seconds
    return copy


def due_at(delivered: DeliveredMessage) -> datetime | None:
    """The moment until which the message waits, if it names one that is a time."""
    milliseconds = _headers(delivered).get(_DUE_MS)
    if not isinstance(milliseconds, int):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def to_delivery(delivered: DeliveredMessage, queue: str) -> Delivery:
    attempt = _headers(delivered).get(_ATTEMPT, 1)
    return Delivery(
        message=to_message(delivered),
        queue=queue,
        attempt=attempt if isinstance(attempt, int) else 1,
        redelivered=bool(delivered.redelivered),
    )


def to_message(delivered: DeliveredMessage) -> Message:
    """The message as its publisher wrote it; a dead letter keeps the headers with the reason."""
    properties = delivered.header.properties
    headers: dict[str, Any] = {**_moved_by_broker(delivered), **_headers(delivered)}
    routing_key = str(headers.get(_ROUTING_KEY, delivered.routing_key))
    hidden = _MADE_HERE if _REJECTED in headers else (*_MADE_HERE, _ROUTING_KEY)
    return Message(
        id=properties.message_id or "",
        routing_key=routing_key,
        body=delivered.body,
        timestamp=properties.timestamp or utc_now(),
        headers={
            name: value.decode(errors="replace")
            if isinstance(value, bytes | bytearray)
            else str(value)
            for name, value in headers.items()
            if name not in hidden and not name.startswith(_MADE_BY_BROKER)
        },
        cut_from=_whole_size(delivered),
    )


def _headers(delivered: DeliveredMessage) -> dict[str, Any]:
    return delivered.header.properties.headers or {}


def _whole_size(delivered: DeliveredMessage) -> int | None:
    size = _headers(delivered).get(WHOLE_SIZE)
    return size if isinstance(size, int) else None


def _moved_by_broker(delivered: DeliveredMessage) -> dict[str, str]:
    """The headers of a dead letter that no consumer wrote: never settled, or too large to read."""
    deaths = _headers(delivered).get("x-death")
    death: Any = (
        deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    )
    verdict = _VERDICTS.get(str(death.get("reason")))
    # Other systems move messages, too: only what came from the queue whose dead letters these are
    # is one of ours.
    if verdict is None or delivered.routing_key != f"{death.get('queue')}.dead-letters":
        return {}
    routing_keys, time = death.get("routing-keys") or [delivered.routing_key], death.get("time")
    rejected_at = time if isinstance(time, datetime) else utc_now()
    return dead_letter_headers(str(routing_keys[0]), verdict(delivered), rejected_at, 1)


def _too_large(delivered: DeliveredMessage) -> Reject:
    return too_large(_whole_size(delivered) or len(delivered.body), MESSAGE_BYTES_MAX)


def _lost(_: DeliveredMessage) -> Reject:
    return Reject(rejections.POISON, "lost together with its consumer too often")


_VERDICTS = {"delivery_limit": _lost, "rejected": _too_large}
