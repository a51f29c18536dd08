"""An `EventBus` that counts and times what goes through it."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram

from blocks.adapters.forwarding import ForwardingEventBus
from blocks.contracts.events import CONSUMED, PUBLISHED, WEBHOOK_DUE
from blocks.observability.metrics import SECONDS_OF_A_CALL, known
from blocks.ports import (
    Accept,
    Collector,
    Consumer,
    Delivery,
    Handler,
    Message,
    Queue,
    Reject,
    Retry,
    Unavailable,
    Unroutable,
    Verdict,
)

PUBLISHES = Counter(
    "workflow_orchestrator_bus_messages_published_total",
    "Messages given to the broker, by what became of them: confirmed, unroutable or failed",
    ["event_type", "outcome"],
)
PUBLISH_DURATION = Histogram(
    "workflow_orchestrator_bus_publish_duration_seconds",
    "Seconds from a publish of one or more messages to their confirmation",
    buckets=SECONDS_OF_A_CALL,
)
# The platform's dashboards read this name and its label.
CONSUMED_MESSAGES = Counter(
    "rabbitmq_messages_consumed_total", "Messages delivered to this process", ["queue"]
)
REDELIVERIES = Counter(
    "workflow_orchestrator_bus_redeliveries_total",
    "Messages that came again, after a loss or a retry",
    ["queue"],
)
HANDLED = Counter(
    "workflow_orchestrator_bus_messages_handled_total",
    "Messages by verdict: accepted, rejected, retry, given-back (a part was away), failed (an "
    "error of ours)",
    ["queue", "verdict"],
)
HANDLING_DURATION = Histogram(
    "workflow_orchestrator_bus_handling_duration_seconds",
    "Seconds from the delivery of a message to its verdict; of an accepted one, until it is "
    "durable",
    ["queue"],
    buckets=SECONDS_OF_A_CALL,
)
IN_HAND = Gauge(
    "workflow_orchestrator_bus_messages_in_hand", "Messages being handled now", ["queue"]
)
REGISTERED = Gauge(
    "workflow_orchestrator_bus_consumer_registered",
    "1 while the broker knows this process's consumer",
    ["queue"],
)

_EVENT_TYPES = frozenset({*PUBLISHED, *CONSUMED, WEBHOOK_DUE})


class MeteredEventBus(ForwardingEventBus):
    """The same bus, measured. Queues are those of the settings, so they may be labels."""

    async def publish(self, *messages: Message, required: bool = False) -> None:
        await _measured(messages, super().publish(*messages, required=required))

    async def deliver(self, queue: str, *messages: Message) -> None:
        await _measured(messages, super().deliver(queue, *messages))

    def consume(
        self, queue: Queue, handler: Handler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        measured = _Handling(queue.name, handler)
        return _watched(queue.name, super().consume(queue, measured, concurrency=concurrency))

    def collect(self, queue: Queue, collector: Collector) -> AbstractAsyncContextManager[Consumer]:
        measured = _Collecting(queue.dead_letters, collector)
        return _watched(queue.dead_letters, super().collect(queue, measured))


async def _measured(messages: Sequence[Message], publishing: Awaitable[None]) -> None:
    began, outcome = perf_counter(), "failed"
    try:
        await publishing
        outcome = "confirmed"
        PUBLISH_DURATION.observe(perf_counter() - began)
    except Unroutable:
        outcome = "unroutable"
        raise
    finally:
        for message in messages:
            PUBLISHES.labels(known(message.routing_key, _EVENT_TYPES), outcome).inc()


class _Handling:
    """A handler that is measured."""

    def __init__(self, queue: str, handler: Handler) -> None:
        self._handler = handler
        self._queue = queue
        self._consumed = CONSUMED_MESSAGES.labels(queue)
        self._redelivered = REDELIVERIES.labels(queue)
        self._in_hand = IN_HAND.labels(queue)
        self._seconds = HANDLING_DURATION.labels(queue)

    async def __call__(self, delivery: Delivery) -> Verdict:
        began, verdict = perf_counter(), "failed"
        self._consumed.inc()
        if delivery.redelivered or delivery.attempt > 1:
            self._redelivered.inc()
        self._in_hand.inc()
        try:
            judged = await self._handler(delivery)
            verdict = _VERDICTS[type(judged)]
            return judged
        except Unavailable:
            verdict = "given-back"
            raise
        finally:
            self._in_hand.dec()
            self._seconds.observe(perf_counter() - began)
            HANDLED.labels(self._queue, verdict).inc()


_VERDICTS = {Accept: "accepted", Reject: "rejected", Retry: "retry"}


class _Collecting:
    """A collector of dead letters that is measured."""

    def __init__(self, queue: str, collector: Collector) -> None:
        self._queue = queue
        self._collector = collector

    async def __call__(self, letter: Message) -> None:
        verdict = "given-back"
        try:
            await self._collector(letter)
            verdict = "accepted"
        finally:
            HANDLED.labels(self._queue, verdict).inc()


@asynccontextmanager
async def _watched(
    queue: str, consumption: AbstractAsyncContextManager[Consumer]
) -> AsyncIterator[Consumer]:
    """While this lasts, the metric shows whether the broker knows the consumer."""
    async with consumption as consumer:
        REGISTERED.labels(queue).set_function(lambda: float(consumer.is_registered))
        try:
            yield consumer
        finally:
            REGISTERED.remove(queue)
