"""An `EventBus` that counts and times what goes through it."""

from collections import Counter as Counts
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram

from blocks.adapters.consuming import one_by_one
from blocks.adapters.forwarding import ForwardingEventBus
from blocks.contracts.events import CONSUMED, PUBLISHED, WEBHOOK_DUE
from blocks.observability.metrics import SECONDS_OF_A_CALL, known
from blocks.ports import (
    Accept,
    BunchHandler,
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
        measured = _alone(_Handling(queue.name, one_by_one(handler)))
        return _watched(queue.name, super().consume(queue, measured, concurrency=concurrency))

    def consume_together(
        self, queue: Queue, handler: BunchHandler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        measured = _Handling(queue.name, handler)
        return _watched(
            queue.name, super().consume_together(queue, measured, concurrency=concurrency)
        )

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

    def __init__(self, queue: str, handler: BunchHandler) -> None:
        self._handler = handler
        self._consumed = CONSUMED_MESSAGES.labels(queue)
        self._redelivered = REDELIVERIES.labels(queue)
        self._in_hand = IN_HAND.labels(queue)
        self._seconds = HANDLING_DURATION.labels(queue)
        self._handled = {
            verdict: HANDLED.labels(queue, verdict)
            for verdict in (*_VERDICTS.values(), _GIVEN_BACK, _FAILED)
        }

    async def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict | Exception]:
        began = perf_counter()
        self._in_hand.inc(len(deliveries))
        try:
            outcomes = await self._handler(deliveries)
        except Exception as error:
            if len(deliveries) == 1 or isinstance(error, Unavailable):  # else each comes alone
                self._count(deliveries, [error] * len(deliveries), perf_counter() - began)
            raise
        finally:
            self._in_hand.dec(len(deliveries))
        self._count(deliveries, outcomes, perf_counter() - began)
        return outcomes

    def _count(
        self,
        deliveries: Sequence[Delivery],
        outcomes: Sequence[Verdict | Exception],
        seconds: float,
    ) -> None:
        self._consumed.inc(len(deliveries))
        if again := sum(one.redelivered or one.attempt > 1 for one in deliveries):
            self._redelivered.inc(again)
        for verdict, count in Counts(map(_verdict_of, outcomes)).items():
            self._handled[verdict].inc(count)
        for _ in deliveries:
            self._seconds.observe(seconds)


def _alone(handler: BunchHandler) -> Handler:
    async def handle(delivery: Delivery) -> Verdict:
        [verdict] = await handler([delivery])
        assert not isinstance(verdict, Exception), "it would have been raised"
        return verdict

    return handle


_GIVEN_BACK, _FAILED = "given-back", "failed"
_VERDICTS: dict[type, str] = {Accept: "accepted", Reject: "rejected", Retry: "retry"}


def _verdict_of(outcome: Verdict | Exception) -> str:
    if isinstance(outcome, Unavailable):
        return _GIVEN_BACK
    return _VERDICTS.get(type(outcome), _FAILED)


class _Collecting:
    """A collector of dead letters that is measured."""

    def __init__(self, queue: str, collector: Collector) -> None:
        self._queue = queue
        self._collector = collector

    async def __call__(self, letter: Message) -> None:
        verdict = _GIVEN_BACK
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
