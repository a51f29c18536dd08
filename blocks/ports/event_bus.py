"""The event bus: durable events, and signals beside them."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from blocks.ports.messages import (
    BunchHandler,
    Collector,
    Handler,
    Message,
    Queue,
    QueueView,
    SignalHandler,
)


class Subscriber(Protocol):
    """A subscriber that must not slow publishers down; neither method may block."""

    def on_event(self, message: Message) -> None:
        """An event that was published just now; it may come twice."""
        ...

    def on_gap(self) -> None:
        """Delivery has resumed after a gap; events published before may be missing."""
        ...


class Consumer(Protocol):
    """A running consumption of one queue."""

    @property
    def is_registered(self) -> bool:
        """True while the broker knows this consumer, so that messages really arrive."""
        ...


class EventBus(Protocol):
    """Durable, at-least-once, confirmed events on one topic exchange, and transient signals beside
    them.
    """

    async def declare(self, *queues: Queue) -> None:
        """The exchange, these queues, their bindings, retry and dead-letter queues exist.
        Idempotent.

        Raises `DeclaredOtherwise` for an exchange or a queue of this system that exists with other
        arguments; a neighbour's queue is bound as it is.
        """
        ...

    async def publish(self, *messages: Message, required: bool = False) -> None:
        """All messages are durable on the broker. With `required`, raises `Unroutable` if one
        reached no queue.

        Raises `Unavailable` when not all were confirmed in time: publish the same messages, with
        the same ids, again.
        """
        ...

    def consume(
        self, queue: Queue, handler: Handler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        """Hands the queue's messages to the handler, at most `concurrency` at once.

        A message is acknowledged only by its verdict; leaving the context finishes the messages in
        hand and returns the rest. The queue must have been declared. Reconnects by itself;
        `is_registered` is whether it is live.
        """
        ...

    def consume_together(
        self, queue: Queue, handler: BunchHandler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        """As `consume`, but what has come meanwhile is handed over together, and what of it was
        accepted is acknowledged together.
        """
        ...

    def collect(self, queue: Queue, collector: Collector) -> AbstractAsyncContextManager[Consumer]:
        """Hands the queue's dead letters to the collector, a few at once, while the context lasts.

        A letter leaves the bus once the collector has returned. If the collector raises any error,
        the letter stays where it is and comes again after a pause. Of a large letter only the
        beginning comes, see `Message.cut_from`.
        """
        ...

    async def deliver(self, queue: str, *messages: Message) -> None:
        """The messages are durable in this queue, under their own routing keys, bound or not.

        Raises `Unroutable` if there is no such queue, `Unavailable` as `publish` does.
        """
        ...

    async def broadcast(self, topic: str, body: bytes) -> None:
        """Sent to the topic's present subscribers, at most once; not stored, raises nothing."""
        ...

    def listen(
        self, topic: str, handler: SignalHandler, *, group: str | None = None
    ) -> AbstractAsyncContextManager[None]:
        """The handler receives the topic's broadcasts while the context lasts. They can be lost:
        re-read.

        Of the listeners of one group, one receives each broadcast.
        """
        ...

    def subscribe(
        self, patterns: Sequence[str], subscriber: Subscriber
    ) -> AbstractAsyncContextManager[None]:
        """The subscriber receives each event whose type matches a pattern, while the context lasts.

        The events of one publisher come in its order. Nothing is kept for a subscriber, and no
        publisher waits for one: a subscriber that was disconnected for a moment, or lags by
        seconds, is notified of the gap (`on_gap`) once delivery resumes.
        """
        ...

    async def depth(self, queue: str) -> int:
        """Messages waiting in this queue or dead-letter queue. Raises `NotFound` if undeclared."""
        ...

    async def peek(self, queue: str, limit: int = 100) -> list[Message]:
        """The oldest messages of a queue, left where they are (they may come out marked as
        redelivered).

        Of one of more than `MESSAGE_BYTES_MAX`, the beginning.
        """
        ...

    async def inspect(self, queue: Queue) -> QueueView:
        """The queue's state; nothing is changed. Raises `NotFound` if undeclared."""
        ...

    async def describe(self) -> str:
        """What the broker is, with its version."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless the broker answers now."""
        ...
