"""Delays of hours on the broker, each message its own, none unacknowledged and none behind a longer
one.

RabbitMQ expires messages at the head of a queue only: in one waiting room, a message of five
seconds would wait behind one of eight hours
(https://www.rabbitmq.com/docs/ttl#per-message-ttl-caveats). So there is a room per duration, in
which all messages wait equally long, and a message passes through several until its moment, which
it carries in a header.
"""

from datetime import datetime, timedelta

from blocks.ports import Queue

ROOM_SECONDS = (1, 5, 30, 120, 600, 3600, 14400)

DELAY_MAX = timedelta(days=2)
"""A header that names a later moment is not ours."""

_AT_ONCE = timedelta(milliseconds=20)


def retry_queue(queue: Queue) -> str:
    """Where a message waits for its next attempt; it expires there and goes back to its queue."""
    return f"{queue.name}.retry"


def waiting_rooms(queue: Queue) -> list[str]:
    """All queues in which a message of this one may wait."""
    rooms = [_room(queue, seconds) for seconds in ROOM_SECONDS] if queue.has_long_delays else []
    return [retry_queue(queue), *rooms]


def room_for(queue: Queue, seconds: float) -> tuple[str, float]:
    """The queue in which to wait next, and how long: not longer than these seconds.

    What is shorter than every room waits among the retries without a delay of their own, behind one
    of them at most.
    """
    fitting = [room for room in ROOM_SECONDS if room <= seconds] if queue.has_long_delays else []
    return (_room(queue, fitting[-1]), fitting[-1]) if fitting else (retry_queue(queue), seconds)


def remaining_seconds(due_at: datetime | None, now: datetime) -> float | None:
    """How long to wait until that moment; None: it has come."""
    if due_at is None or not _AT_ONCE < due_at - now <= DELAY_MAX:
        return None
    return (due_at - now).total_seconds()


def _room(queue: Queue, seconds: int) -> str:
    return f"{retry_queue(queue)}.{seconds}s"
