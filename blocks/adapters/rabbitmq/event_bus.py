"""The event bus of a real deployment: RabbitMQ, through aio-pika."""

import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Self

from blocks.adapters.consuming import BUNCHES_AT_ONCE, COLLECTED_AT_ONCE, as_handler, one_by_one
from blocks.adapters.rabbitmq.consumer import RabbitMQConsumer
from blocks.adapters.rabbitmq.large_messages import cut_bodies
from blocks.adapters.rabbitmq.link import RabbitMQLink, translated, underlay
from blocks.adapters.rabbitmq.messages import to_later_attempt, to_message
from blocks.adapters.rabbitmq.publisher import RabbitMQPublisher
from blocks.adapters.rabbitmq.signals import RabbitMQSignals
from blocks.adapters.rabbitmq.subscription import RabbitMQSubscription
from blocks.adapters.rabbitmq.topology import count, declare, view
from blocks.ports import (
    MESSAGE_BYTES_MAX,
    BunchHandler,
    Collector,
    Consumer,
    Handler,
    Message,
    Queue,
    QueueView,
    SignalHandler,
    Subscriber,
)

log = logging.getLogger(__name__)


class RabbitMQEventBus:
    """The `EventBus` on a broker, where it appears as `name`; lives as long as its `async with`.

    Entering tries to connect: without a broker, it retries each second, and every call raises
    `Unavailable`, after `timeout_seconds` at the latest. It raises `DeclaredOtherwise` alone, when
    the exchange is there with other arguments. One connection publishes
    and one consumes: a broker short of disk or memory stops reading the first, and acknowledgements
    still get through on the second.
    """

    def __init__(
        self, url: str, *, exchange: str, name: str, timeout_seconds: float = 10.0
    ) -> None:
        def link(purpose: str) -> RabbitMQLink:
            return RabbitMQLink(url, name, purpose, timeout_seconds=timeout_seconds)

        self._out = link("publishing")
        self._in = link("consuming")
        self._exchange = exchange
        self._timeout_seconds = timeout_seconds
        self._publisher = RabbitMQPublisher(self._out, exchange)
        self._signals = RabbitMQSignals(self._out, self._in, f"{exchange}.signals")
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self._out)
            await opening.enter_async_context(self._in)
            await self._publisher.prepare()
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def declare(self, *queues: Queue) -> None:
        await declare(self._in, self._exchange, *queues)

    async def publish(self, *messages: Message, required: bool = False) -> None:
        await self._publisher.publish(messages, required=required)

    def consume(
        self, queue: Queue, handler: Handler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        return self._consumer(queue, one_by_one(handler), concurrency=concurrency)

    def consume_together(
        self, queue: Queue, handler: BunchHandler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        return self._consumer(queue, handler, concurrency=concurrency, bunches=BUNCHES_AT_ONCE)

    def collect(self, queue: Queue, collector: Collector) -> AbstractAsyncContextManager[Consumer]:
        return self._consumer(
            queue,
            one_by_one(as_handler(collector)),
            concurrency=COLLECTED_AT_ONCE,
            dead_letters=True,
        )

    def _consumer(
        self, queue: Queue, handler: BunchHandler, *, concurrency: int, **manner: Any
    ) -> RabbitMQConsumer:
        return RabbitMQConsumer(
            self._in,
            self._publisher,
            self._exchange,
            queue,
            handler,
            concurrency=concurrency,
            **manner,
        )

    async def deliver(self, queue: str, *messages: Message) -> None:
        for message in messages:
            await self._publisher.publish_to_queue(queue, to_later_attempt(message, 1))

    async def broadcast(self, topic: str, body: bytes) -> None:
        await self._signals.broadcast(topic, body)

    def listen(
        self, topic: str, handler: SignalHandler, *, group: str | None = None
    ) -> AbstractAsyncContextManager[None]:
        return self._signals.listen(topic, handler, group)

    def subscribe(
        self, patterns: Sequence[str], subscriber: Subscriber
    ) -> AbstractAsyncContextManager[None]:
        return RabbitMQSubscription(self._in, self._exchange, patterns, subscriber).going_on()

    async def depth(self, queue: str) -> int:
        with translated(f"counting queue {queue}"):
            async with self._in.channel() as channel:
                return await count(channel, queue, self._timeout_seconds)

    async def peek(self, queue: str, limit: int = 100) -> list[Message]:
        """The oldest messages. Each read counts as a delivery: not for working queues."""
        messages: list[Message] = []
        with translated(f"looking into queue {queue}"):
            async with self._in.channel() as channel:
                await count(channel, queue, self._timeout_seconds)
                await cut_bodies(channel, MESSAGE_BYTES_MAX)
                waiting = await underlay(channel)
                while len(messages) < limit:
                    got = await waiting.basic_get(queue, timeout=self._timeout_seconds)
                    if not got.delivery_tag:
                        break  # nothing is left
                    messages.append(to_message(got))
        return messages

    async def inspect(self, queue: Queue) -> QueueView:
        with translated(f"looking at queue {queue.name}"):
            return await view(self._in, queue)

    async def describe(self) -> str:
        return await self._out.describe()

    async def ping(self) -> None:
        await self._publisher.ping()
