"""Another connection's queue, where one of ours should be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika

from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.waiting import eventually


@asynccontextmanager
async def taken_by_another_connection(node: RabbitMQNode, queue: str) -> AsyncIterator[None]:
    """The queue was deleted, and while this lasts another connection has one of its
    name to itself.
    """
    async with await aio_pika.connect(node.url) as connection, connection.channel() as channel:

        async def is_taken() -> bool:
            await channel.queue_delete(queue)
            try:
                await channel.declare_queue(queue, exclusive=True)
            except aio_pika.exceptions.ChannelClosed:
                await channel.reopen()
                return False
            return True

        await eventually(is_taken)
        yield
