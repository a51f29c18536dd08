"""What exists on the broker: one topic exchange, and for each queue its dead letters and its
waiting rooms for retries.

All are quorum queues: replicated where there are several nodes, on disk everywhere. What the broker
itself moves between them (expired waits, messages over the delivery limit) it moves at least once.
"""

from aio_pika import Channel, ExchangeType
from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from pamqp.commands import Queue as AmqpQueue

from blocks.adapters.consuming import DELIVERY_LIMIT
from blocks.adapters.rabbitmq.delays import waiting_rooms
from blocks.ports import NotFound, Queue, QueueView

# Looking at a dead letter counts as a delivery, and RabbitMQ 4 by default drops what was delivered
# 20 times.
_PRACTICALLY_UNLIMITED = 1_000_000_000


async def declare_exchange(channel: Channel, name: str, timeout: float) -> AbstractExchange:
    return await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True, timeout=timeout)


async def declare_queue(
    channel: Channel, exchange: AbstractExchange, queue: Queue, timeout: float
) -> None:
    """The queue, its dead letters and its waiting rooms exist; the queue is bound."""
    await _declare(
        channel, queue.dead_letters, timeout, {"x-delivery-limit": _PRACTICALLY_UNLIMITED}
    )
    for room in waiting_rooms(queue):
        await _declare(channel, room, timeout, _moves_to(queue.name))
    await _declare(channel, queue.name, timeout, _limits(queue))
    bound = await channel.get_queue(queue.name, ensure=False)
    for pattern in queue.bindings:
        await bound.bind(exchange, pattern, timeout=timeout)


async def count(channel: Channel, queue: str, timeout: float) -> int:
    """Messages waiting in the queue. Raises `NotFound`, and the channel is closed, if there is no
    such queue.
    """
    return (await _look(channel, queue, timeout)).message_count or 0


async def view(channel: Channel, queue: Queue, timeout: float) -> QueueView:
    """The queue as it is. Raises `NotFound`. The channel is closed afterwards if the queue is not
    as we declare it.
    """
    found = await _look(channel, queue.name, timeout)
    mismatch = None
    try:
        # it exists: this only compares
        await _declare(channel, queue.name, timeout, _limits(queue))
    except ChannelPreconditionFailed as error:
        mismatch = str(error)
    return QueueView(
        ready=found.message_count or 0, consumers=found.consumer_count, mismatch=mismatch
    )


async def _look(channel: Channel, queue: str, timeout: float) -> AmqpQueue.DeclareOk:
    try:
        found = await channel.declare_queue(queue, passive=True, timeout=timeout)
    except ChannelNotFoundEntity:
        raise NotFound(f"the broker has no queue {queue}") from None
    return found.declaration_result


async def _declare(
    channel: Channel, name: str, timeout: float, arguments: dict[str, str | int]
) -> None:
    await channel.declare_queue(
        name, durable=True, arguments={"x-queue-type": "quorum", **arguments}, timeout=timeout
    )


def _limits(queue: Queue) -> dict[str, str | int]:
    return {"x-delivery-limit": DELIVERY_LIMIT, **_moves_to(queue.dead_letters)}


def _moves_to(queue: str) -> dict[str, str | int]:
    return {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        # At least once needs reject-publish, though nothing here has a maximum length.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
