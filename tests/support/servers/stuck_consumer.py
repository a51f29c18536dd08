"""`python -m tests.support.servers.stuck_consumer URL EXCHANGE QUEUE` takes one message and never
finishes it.

It prints `taken` when it has the message in hand, and is there to be killed.
"""

import asyncio
import sys
from pathlib import Path

from blocks.adapters.rabbitmq.event_bus import RabbitMQEventBus
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.ports import Accept, Delivery, EventBus, Queue, Verdict


async def keep(_: Delivery) -> Verdict:
    sys.stdout.write("taken\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
    return Accept()


async def consume(bus: EventBus, queue: str) -> None:
    async with bus.consume(Queue(name=queue, bindings=()), keep):
        await asyncio.Event().wait()


async def main(url: str, exchange: str, queue: str) -> None:
    if url.startswith("sqlite:"):
        async with SqliteEventBus(Path(url.removeprefix("sqlite:")), lease_seconds=1.0) as embedded:
            await consume(embedded, queue)
    async with RabbitMQEventBus(url, exchange=exchange, name="stuck") as bus:
        await consume(bus, queue)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
