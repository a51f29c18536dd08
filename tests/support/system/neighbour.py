"""A service of the platform as it was before this system came, with plain aio-pika: no code of ours
takes part.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika

from tests.support.waiting import eventually

Envelope = dict[str, Any]

PREFETCH = 10


class Neighbour:
    """What the service has received, as it came."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def take(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        self.envelopes.append(json.loads(message.body))
        await message.ack()

    async def got(self, count: int = 1) -> list[Envelope]:
        async def enough() -> list[Envelope]:
            return self.envelopes if len(self.envelopes) >= count else []

        return await eventually(enough)


@asynccontextmanager
async def neighbour(
    url: str, exchange: str, queue: str, *routing_keys: str
) -> AsyncIterator[Neighbour]:
    """Declares and binds its queue as every service of the platform does, and consumes while the
    context lasts.

    Raises aio-pika's `ChannelPreconditionFailed` where another declaration is in its way.
    """
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        events = await channel.declare_exchange(exchange, "topic", durable=True)
        own = await channel.declare_queue(queue, durable=True)
        for key in routing_keys:
            await own.bind(events, key)
        service = Neighbour()
        await own.consume(service.take)
        yield service
