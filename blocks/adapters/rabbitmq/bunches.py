"""Many publishes as one write to the socket, with one wait for the confirms of all.

aiormq's `basic_publish` costs each message a task, three futures, a time limit and two frames that
are put together property by property: a third of what a busy worker did. This does the same on the
same channel, in the order and with the delivery tags that aiormq itself would give.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, cast

import aiormq
import pamqp.frame
from aiormq.abc import ChannelFrame
from pamqp.commands import Basic

from blocks.adapters.rabbitmq.messages import APP_ID, CONTENT_TYPE, DELIVERY_MODE
from blocks.ports import Message

_HEADER, _BODY, _FRAME_END = 2, 3, b"\xce"
_frame = Struct(">BHI").pack
_header = Struct(">HHQ").pack
_size = Struct(">I").pack
_seconds = Struct(">Q").pack

_PROPERTIES = sum(
    Basic.Properties.flags[name]
    for name in (
        "content_type",
        "headers",
        "delivery_mode",
        "priority",
        "message_id",
        "timestamp",
        "message_type",
        "app_id",
    )
)


async def publish_together(
    channel: aiormq.Channel, exchange: str, messages: Sequence[Message], *, mandatory: bool
) -> None:
    """The broker has confirmed every one of these, each under an id of its own.

    Raises what aiormq does: the first `PublishError` of one that came back or `DeliveryError` of
    one that was refused, once all have their answer; and that the channel is closed.
    """
    payload = b"".join(
        part for message in messages for part in _frames(channel, exchange, message, mandatory)
    )
    confirms = _Confirms(channel.create_future(), len(messages))
    async with channel.lock:
        first = channel.delivery_tag + 1
        channel.delivery_tag += len(messages)
        tags = range(first, channel.delivery_tag + 1)
        channel.confirmations.update(dict.fromkeys(tags, cast("asyncio.Future[Any]", confirms)))
        try:
            await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False))
        except BaseException:
            channel.delivery_tag -= len(messages)  # the broker has seen none of them
            for tag in tags:
                channel.confirmations.pop(tag, None)
            confirms.of_all.cancel()
            raise
        # how aiormq finds the tag of what comes back
        tag_of = {one.id: tag for one, tag in zip(messages, tags, strict=True)} if mandatory else {}
        confirms.others = [
            other for id in tag_of if isinstance(other := _waiting_for(channel, id), _Confirms)
        ]
        channel.message_id_delivery_tag.update(tag_of)
    try:
        await confirms.of_all
    finally:
        for id, tag in tag_of.items():
            if channel.message_id_delivery_tag.get(id) == tag:  # not of one that was sent later
                del channel.message_id_delivery_tag[id]


def _waiting_for(channel: aiormq.Channel, id: str) -> object:
    """What waits for the confirm of the message of this id that was sent before."""
    return channel.confirmations.get(channel.message_id_delivery_tag.get(id, 0))


class _Confirms:
    """What aiormq takes for the confirm of each message of a bunch: the last one ends the wait."""

    def __init__(self, of_all: "asyncio.Future[None]", count: int) -> None:
        self.of_all = of_all
        self._missing = count
        self._error: BaseException | None = None
        self.others: list[_Confirms] = []
        """Under way with a message of the same id: what comes back may be theirs."""

    def done(self) -> bool:
        """aiormq asks whether it has answered this very message before; it never has."""
        return False

    def set_result(self, _: object) -> None:
        self._missing -= 1
        if self._missing or self.of_all.done():
            return
        if self._error:
            self.of_all.set_exception(self._error)
        else:
            self.of_all.set_result(None)

    def set_exception(self, error: BaseException) -> None:
        self._fails(error)
        self.set_result(None)

    def _fails(self, error: BaseException) -> None:
        self._error = self._error or error
        for other in self.others:
            other._fails(error)


def _frames(
    channel: aiormq.Channel, exchange: str, message: Message, mandatory: bool
) -> Iterator[bytes]:
    number, body = channel.number, message.body
    yield _publish_frame(number, exchange, message.routing_key, mandatory)
    properties = encoded_properties(message)
    yield _frame(_HEADER, number, 12 + len(properties))
    yield _header(Basic.frame_id, 0, len(body))
    yield properties
    yield _FRAME_END
    for start in range(0, len(body), channel.max_content_size):
        part = body[start : start + channel.max_content_size]
        yield _frame(_BODY, number, len(part))
        yield part
        yield _FRAME_END


@lru_cache(maxsize=1024)
def _publish_frame(number: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    frame = Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
    return pamqp.frame.marshal(frame, number)


def encoded_properties(message: Message) -> bytes:
    """The properties that `messages.to_amqp` gives the message, as AMQP 0-9-1 writes them: flags,
    then values in the order of the flags (4.2.6.1).
    """
    return b"".join(
        (
            _FLAGS,
            _CONTENT_TYPE,
            _table(message.headers),
            _MODE_AND_PRIORITY,
            _short(message.id),
            _seconds(int(message.timestamp.timestamp())),
            _short(message.routing_key),
            _APP_ID,
        )
    )


def _short(text: str) -> bytes:
    """Raises `ValueError` for more than 255 bytes."""
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded


_short_kept = lru_cache(maxsize=1024)(_short)


def _table(headers: Mapping[str, str]) -> bytes:
    parts = []
    for name, value in sorted(headers.items()):
        encoded = value.encode()
        parts += [_short_kept(name), b"S", _size(len(encoded)), encoded]
    table = b"".join(parts)
    return _size(len(table)) + table


_FLAGS = _PROPERTIES.to_bytes(2, "big")
_CONTENT_TYPE = _short(CONTENT_TYPE)
_MODE_AND_PRIORITY = bytes((DELIVERY_MODE, 0))
_APP_ID = _short(APP_ID)
