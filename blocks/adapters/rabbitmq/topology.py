"""What exists on the broker: one topic exchange, and for each queue its dead letters and its
waiting rooms for retries.

All of this system's are quorum queues: replicated where there are several nodes, on disk
everywhere. What the broker itself moves between them (expired waits, messages over the delivery
limit) it moves at least once. A neighbour's queue has no argument of ours, or its owner's own
declaration would be refused.
"""

import logging

from aio_pika import Channel, ExchangeType
from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import ChannelNotFoundEntity
from msgspec.structs import replace
from pamqp.commands import Queue as AmqpQueue

from blocks.adapters.consuming import DELIVERY_LIMIT
from blocks.adapters.rabbitmq.delays import waiting_rooms
from blocks.adapters.rabbitmq.link import RabbitMQLink, translated
from blocks.adapters.rabbitmq.refusals import EMPTY, NOT_SET
from blocks.ports import DeclaredOtherwise, Mismatch, NotFound, Queue, QueueView

log = logging.getLogger(__name__)

Arguments = dict[str, str | int]

# Looking at a dead letter counts as a delivery, and RabbitMQ 4 by default drops what was delivered
# 20 times.
_PRACTICALLY_UNLIMITED = 1_000_000_000

_PLAIN: Arguments = {}
"""A durable queue without arguments, which has the virtual host's default type."""


async def declare(link: RabbitMQLink, exchange: str, *queues: Queue) -> None:
    """The exchange, the queues, their dead letters and waiting rooms exist; the queues are
    bound.
    """
    with translated(f"declaring exchange {exchange}"):
        async with link.channel() as channel:
            await declare_exchange(channel, exchange, link.timeout_seconds)
    for queue in queues:
        with translated(f"declaring queue {queue.name}"):
            await _declare_beside(link, queue)
            if mismatch := await _difference(link, queue):
                if not queue.is_neighbours:
                    raise DeclaredOtherwise(mismatch)
                log.warning("%s; %s", mismatch, mismatch.todo)
            await _bind(link, exchange, queue)


async def declare_exchange(channel: Channel, name: str, timeout: float) -> AbstractExchange:
    """As every service of the platform declares it."""
    return await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True, timeout=timeout)


async def count(channel: Channel, queue: str, timeout: float) -> int:
    """Messages waiting in the queue. Raises `NotFound`, and the channel is closed, if there is no
    such queue.
    """
    return (await _look(channel, queue, timeout)).message_count or 0


async def view(link: RabbitMQLink, queue: Queue) -> QueueView:
    """The queue as it is; nothing is created. Raises `NotFound`."""
    async with link.channel() as channel:
        found = await _look(channel, queue.name, link.timeout_seconds)
    return QueueView(
        ready=found.message_count or 0,
        consumers=found.consumer_count,
        mismatch=await _difference(link, queue),
    )


async def _declare_beside(link: RabbitMQLink, queue: Queue) -> None:
    """The queues of this system that serve this one."""
    async with link.channel() as channel:
        timeout = link.timeout_seconds
        await _declare(
            channel,
            queue.dead_letters,
            timeout,
            _quorum({"x-delivery-limit": _PRACTICALLY_UNLIMITED}),
        )
        for room in waiting_rooms(queue):
            await _declare(channel, room, timeout, _quorum(_moves_to(queue.name)))


async def _difference(link: RabbitMQLink, queue: Queue) -> Mismatch | None:
    """The queue exists; None: as it should. The broker closes the channel of what it refuses."""
    arguments = _PLAIN if queue.is_neighbours else _limited(queue)
    try:
        with translated(f"declaring queue {queue.name}"):
            async with link.channel() as channel:
                await _declare(channel, queue.name, link.timeout_seconds, arguments)
    except DeclaredOtherwise as error:
        found = replace(error.mismatch, is_neighbours=queue.is_neighbours)
        return replace(found, known_as=_known_as(queue, found))
    return None


def _known_as(queue: Queue, found: Mismatch) -> str:
    """Who declares it so. Concluded from the refusal: a declaration that asks would create a queue
    that was deleted a moment ago, with the wrong arguments.
    """
    ours = _limited(queue).get(found.argument)
    if queue.is_neighbours:
        is_earlier = ours is not None and found.existing == (str(ours) or EMPTY)
        return (
            "a quorum queue, as earlier versions of this system declared it" if is_earlier else ""
        )
    is_plain = ours is not None and found.existing in (NOT_SET, "classic")
    return "a plain queue, as the former orchestrator declares it" if is_plain else ""


async def _bind(link: RabbitMQLink, exchange: str, queue: Queue) -> None:
    async with link.channel() as channel:
        bound = await channel.get_queue(queue.name, ensure=False)
        for pattern in queue.bindings:
            await bound.bind(exchange, pattern, timeout=link.timeout_seconds)


async def _look(channel: Channel, queue: str, timeout: float) -> AmqpQueue.DeclareOk:
    try:
        found = await channel.declare_queue(queue, passive=True, timeout=timeout)
    except ChannelNotFoundEntity:
        raise NotFound(f"the broker has no queue {queue}") from None
    return found.declaration_result


async def _declare(channel: Channel, name: str, timeout: float, arguments: Arguments) -> None:
    await channel.declare_queue(name, durable=True, arguments={**arguments}, timeout=timeout)


def _limited(queue: Queue) -> Arguments:
    return _quorum({"x-delivery-limit": DELIVERY_LIMIT, **_moves_to(queue.dead_letters)})


def _quorum(arguments: Arguments) -> Arguments:
    return {"x-queue-type": "quorum", **arguments}


def _moves_to(queue: str) -> Arguments:
    return {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        # At least once needs reject-publish, though nothing here has a maximum length.
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
