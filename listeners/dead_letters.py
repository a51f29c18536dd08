"""Dead letters leave the bus: each becomes a record, where it can be looked at, edited, replayed and discarded."""

import logging
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from blocks import dead_letters, fault_points
from blocks.ports import Consumer, EventBus, Message, Queue, RecordStore

log = logging.getLogger(__name__)


def collectors(
    store: RecordStore, bus: EventBus, queues: Iterable[Queue]
) -> list[AbstractAsyncContextManager[Consumer]]:
    """One per queue: while it is entered, the queue's dead letters are collected; a store that is away loses none."""
    return [bus.collect(queue, _Keeper(store, queue).keep) for queue in queues]


class _Keeper:
    def __init__(self, store: RecordStore, queue: Queue) -> None:
        self._store = store
        self._queue = queue

    async def keep(self, message: Message) -> None:
        stored = await dead_letters.keep(self._store, self._queue.name, message)
        letter = stored.record
        fault_points.reached("after-dead-letter")
        log.info("message %s (%s) is dead letter %s: %s", message.id, message.routing_key, letter.id, letter.code)
