"""Between this system and the services that speak the operations service's bus, on Redis.

In: what they publish is posted, as if over HTTP, unless the log has it: so each event comes once,
however many listeners hear it, and none of ours comes back. Out: events that were taken in, and
those of runs by the names that those services know, wait in a queue while Redis is away. The list
has the ends of runs, and no other event of them: steps would soon fill it.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta

import msgspec

from blocks.adapters.redis.event_channel import RedisEventChannel
from blocks.clock import utc_now
from blocks.contracts.envelope import decode_event
from blocks.contracts.events import (
    PUBLISHED,
    EventData,
    OperationCompleted,
    OperationFailed,
    OperationStarted,
    OperationStepCompleted,
    OperationStepFailed,
    OperationStepStarted,
)
from blocks.contracts.operations.platform_events import (
    TAKEN,
    PlatformEvent,
    read_platform_event,
)
from blocks.contracts.rejections import Rejected
from blocks.operations.events.posting import SOURCE, VIA_REDIS, post
from blocks.operations.events.taking import is_known
from blocks.ports import Accept, Delivery, EventBus, Message, RecordStore, Unavailable, Verdict
from listeners import metrics

log = logging.getLogger(__name__)

CATCH_UP = timedelta(minutes=10)
"""So old an event of the list may be that is taken in, when a listener comes back to Redis."""

_PAUSE_SECONDS = 2.0

_NAMES: Mapping[type[EventData], str] = {
    OperationStarted: "workflow.started",
    OperationStepStarted: "workflow.step.started",
    OperationStepCompleted: "workflow.step.completed",
    OperationStepFailed: "workflow.step.failed",
    OperationCompleted: "workflow.completed",
    OperationFailed: "workflow.failed",
}
_LISTED = ("workflow.completed", "workflow.failed")

_NOT_THEIRS = ("executionId", "timestamp")
"""Fields that those services do not know."""


class RedisBridge:
    """Both directions; `handle` is the consumer of the bridge's queue."""

    def __init__(self, channel: RedisEventChannel, store: RecordStore, bus: EventBus) -> None:
        self._channel = channel
        self._store = store
        self._bus = bus

    async def receive_for_ever(self) -> None:
        """Posts what others publish, until cancelled; while Redis or a part of ours is away, again
        and again.
        """
        while True:
            try:
                async for body in self._channel.received():
                    metrics.REDIS_EVENTS.labels("in", await self._take(body)).inc()
            except Unavailable as error:
                log.warning("events on Redis are not received: %s", error)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _take(self, body: bytes) -> str:
        """What became of it: `posted`, `known`, `old`, or `ignored`, for what is no event that can
        be posted, those about runs among it.
        """
        try:
            event = read_platform_event(body, received_at=utc_now())
        except Rejected as reason:
            log.debug("a publication on Redis is ignored: %s", reason)
            return "ignored"
        if event.timestamp < utc_now() - CATCH_UP:
            return "old"
        if await is_known(self._store, event):
            return "known"
        await post(self._bus, event, via=VIA_REDIS)
        return "posted"

    async def handle(self, delivery: Delivery) -> Verdict:
        """The event is on Redis. Raises `Unavailable`: it waits in its queue."""
        event = _for_redis(delivery.message)
        is_listed = event.type in _LISTED or event.type not in _NAMES.values()
        await self._channel.publish(event.type, msgspec.json.encode(event), listed=is_listed)
        metrics.REDIS_EVENTS.labels("out", "published").inc()
        return Accept()


def _for_redis(message: Message) -> PlatformEvent:
    if message.routing_key == TAKEN:
        return msgspec.json.decode(message.body, type=PlatformEvent)
    event = decode_event(message.body, received_at=utc_now(), types=PUBLISHED)
    stated = msgspec.to_builtins(event.data)
    return PlatformEvent(
        id=event.id,
        type=_NAMES[type(event.data)],
        payload={name: stated[name] for name in stated if name not in _NOT_THEIRS},
        timestamp=event.timestamp,
        source=SOURCE,
    )
