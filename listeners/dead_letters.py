"""Dead letters leave the bus: each becomes a record, where it can be looked at, edited, replayed
and discarded.
"""

import logging
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from blocks.dead_letters import letters
from blocks.ports import Consumer, EventBus, Message, Queue, RecordStore, Unavailable
from blocks.processes import fault_points
from listeners.answers.refused_answers import note_refusal

log = logging.getLogger(__name__)


def collectors(
    store: RecordStore, bus: EventBus, queues: Iterable[Queue]
) -> list[AbstractAsyncContextManager[Consumer]]:
    """One per queue: inside it, dead letters are collected; an unavailable store loses none."""
    return [bus.collect(queue, Keeper(store, queue).keep) for queue in queues]


class Keeper:
    """Every refused message passes here as a dead letter, for any consumer and any reason."""

    def __init__(self, store: RecordStore, queue: Queue) -> None:
        self._store = store
        self._queue = queue

    async def keep(self, message: Message) -> None:
        """The dead letter is a record, and an answer is noted on its execution. Raises
        `Unavailable`.
        """
        stored = await letters.keep(self._store, self._queue.name, message)
        letter = stored.record
        fault_points.reached("after-dead-letter")
        log.info(
            "message %s (%s) is dead letter %s: %s",
            message.id,
            message.routing_key,
            letter.id,
            letter.code,
        )
        try:
            await note_refusal(self._store, letter, message)
        except Unavailable:
            raise
        except (
            Exception
        ):  # an execution that cannot be read must not hold up the dead letters behind it
            log.exception("dead letter %s could not be noted on its execution", letter.id)
