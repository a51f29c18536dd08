"""Transient signals: a topic exchange that stores nothing, and a queue per listener or group of
listeners, which ends with the last of them.

One AMQP message carries a MessagePack list of signals of one topic: under load many, else one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
from aio_pika import Channel, ExchangeType
from aio_pika.abc import AbstractExchange, AbstractQueue
from aiormq.abc import DeliveredMessage

from blocks.adapters.rabbitmq.link import (
    RabbitMQLink,
    SharedChannel,
    translated,
    underlay,
    until,
    when_lost,
)
from blocks.ports import SignalHandler, Unavailable

log = logging.getLogger(__name__)

# A signal is not worth waiting for: a process that misses it finds the same by its next read.
_BROADCAST_SECONDS = 1.0

_OF_A_GROUP: dict[str, Any] = {"x-message-ttl": 5_000, "x-expires": 60_000}
"""A signal that no listener of the group receives in time is worth nothing any more. In ms."""


class RabbitMQSignals:
    """Broadcasts on one link, without confirms, and listens on another."""

    def __init__(self, out: RabbitMQLink, into: RabbitMQLink, exchange: str) -> None:
        self._out = out
        self._in = into
        self._exchange = exchange
        self._channel = SharedChannel(out, self._prepare, confirms=False)
        self._pending: dict[str, list[bytes]] = {}
        self._sending = asyncio.Lock()

    async def broadcast(self, topic: str, body: bytes) -> None:
        """What is broadcast while another broadcast is on its way goes out together, as one message
        per topic.
        """
        if not self._out.is_connected:
            return
        self._pending.setdefault(topic, []).append(body)
        async with self._sending:
            if bodies := self._pending.pop(topic, None):
                await self._send(topic, bodies)

    async def _send(self, topic: str, bodies: list[bytes]) -> None:
        try:
            with translated(f"broadcasting {topic}"):
                async with asyncio.timeout(_BROADCAST_SECONDS):
                    channel = await underlay(await self._channel.get())
                    packed = msgspec.msgpack.encode(bodies)
                    await channel.basic_publish(packed, exchange=self._exchange, routing_key=topic)
        except Unavailable as error:
            log.debug("%d signals %s were lost: %s", len(bodies), topic, error)

    @asynccontextmanager
    async def listen(
        self, topic: str, handler: SignalHandler, group: str | None
    ) -> AsyncIterator[None]:
        """Subscribed, unless the broker is unavailable; subscribed again after every loss."""
        is_listening = asyncio.Event()
        session = partial(self._listen, topic, handler, group, is_listening)
        async with self._in.kept(session, f"listening to {topic}", is_listening):
            yield

    async def _listen(
        self,
        topic: str,
        handler: SignalHandler,
        group: str | None,
        is_listening: asyncio.Event,
        channel: Channel,
    ) -> None:
        timeout = self._in.timeout_seconds
        exchange = await self._declare(channel)
        queue = await self._queue(channel, topic, group)
        await queue.bind(exchange, topic, timeout=timeout)
        lost = await when_lost(channel)
        receive = partial(_receive, handler, topic)
        deliveries = await underlay(channel)
        await deliveries.basic_consume(queue.name, receive, no_ack=True, timeout=timeout)
        is_listening.set()
        await until(lost)
        raise Unavailable(f"listening to {topic} was interrupted")

    async def _queue(self, channel: Channel, topic: str, group: str | None) -> AbstractQueue:
        timeout = self._in.timeout_seconds
        if group is None:
            return await channel.declare_queue(exclusive=True, auto_delete=True, timeout=timeout)
        # Durable, because RabbitMQ gives up transient queues that several connections share.
        return await channel.declare_queue(
            f"{self._exchange}.{topic}.{group}",
            durable=True,
            auto_delete=True,
            arguments=_OF_A_GROUP,
            timeout=timeout,
        )

    async def _prepare(self, channel: Channel) -> None:
        await self._declare(channel)

    async def _declare(self, channel: Channel) -> AbstractExchange:
        return await channel.declare_exchange(
            self._exchange, ExchangeType.TOPIC, timeout=self._in.timeout_seconds
        )


async def _receive(handler: SignalHandler, topic: str, message: DeliveredMessage) -> None:
    try:
        bodies = msgspec.msgpack.decode(message.body, type=list[bytes])
    except msgspec.DecodeError:
        log.warning("signals of %s cannot be read: another version's?", topic)
        return
    for body in bodies:
        try:
            await handler(body)
        except Exception:
            log.exception("a signal of %s was lost", topic)
