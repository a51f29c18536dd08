"""Transient event subscriptions: a queue of its own on the exchange, deleted with its connection.

A durable queue, or a stream, would let a reader return without a gap, and would make every
publisher of these events wait for its disk: an observer must never hold up what it observes. This
queue lies in the broker's memory, and the heartbeat bounds how long it can grow: a reader that
stalls for twenty seconds is disconnected.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aio_pika import Channel
from aiormq.abc import DeliveredMessage

from blocks.adapters.rabbitmq.large_messages import cut_bodies
from blocks.adapters.rabbitmq.link import RabbitMQLink, underlay, until, when_lost
from blocks.adapters.rabbitmq.messages import to_message
from blocks.adapters.rabbitmq.topology import declare_exchange
from blocks.ports import MESSAGE_BYTES_MAX, Subscriber, Unavailable


class RabbitMQSubscription:
    """Hands published events to the subscriber; starts again after every loss, and
    reports the gap.
    """

    def __init__(
        self, link: RabbitMQLink, exchange: str, patterns: Sequence[str], subscriber: Subscriber
    ) -> None:
        self._link = link
        self._exchange = exchange
        self._patterns = patterns
        self._subscriber = subscriber
        self._begun = asyncio.Event()
        self._was_deaf = False

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Subscribed from the entry on, unless the broker is unavailable then."""
        async with self._link.kept(self._receive, "subscribing to events", self._begun):
            self._was_deaf = True  # a later subscription has a gap
            yield

    async def _receive(self, channel: Channel) -> None:
        timeout = self._link.timeout_seconds
        exchange = await declare_exchange(channel, self._exchange, timeout)
        queue = await channel.declare_queue(exclusive=True, auto_delete=True, timeout=timeout)
        for pattern in self._patterns:
            await queue.bind(exchange, pattern, timeout=timeout)
        await cut_bodies(channel, MESSAGE_BYTES_MAX)
        lost = await when_lost(channel)
        if self._was_deaf:
            self._subscriber.on_gap()
        deliveries = await underlay(channel)
        await deliveries.basic_consume(queue.name, self._take, no_ack=True, timeout=timeout)
        self._begun.set()
        await until(lost)
        raise Unavailable("subscribing to events was interrupted")

    async def _take(self, message: DeliveredMessage) -> None:
        # Without a pause in it: aiormq makes a task of each message, and tasks begin in order.
        self._subscriber.on_event(to_message(message))
