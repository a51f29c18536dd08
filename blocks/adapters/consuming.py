"""The settlement of a delivery, on any bus: judged by its handler, then done, retried or set aside.

Both event buses use these rules, so that a verdict means the same on a laptop and on a broker.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import msgspec

from blocks.contracts import rejections
from blocks.ports import (
    Accept,
    Collector,
    Delivery,
    Handler,
    Message,
    Queue,
    Reject,
    Retry,
    TooLarge,
    Unavailable,
    Verdict,
)
from blocks.processes.ending import ended

log = logging.getLogger(__name__)

DELIVERY_LIMIT = 20
"""How often a message may be lost together with its consumer before it counts as what kills the
consumers.
"""

DRAIN_SECONDS = 10.0
"""How long a consumer that is stopped waits for its active handlers."""

HANDLER_SECONDS = 60.0
"""How long a handler may take. The broker's own limit, half an hour, would take the whole channel
down with it.
"""

BEGINNING_BYTES = 16 * 1024
"""This much of a message that is too large is kept, to show what it was."""

COLLECTED_AT_ONCE = 4

_COLLECT_SECONDS = 30.0

_REASON_MAX = 500
_PAUSE_FIRST_SECONDS = 1.0
_PAUSE_MAX_SECONDS = 10.0


async def judge(handler: Handler, delivery: Delivery, queue: Queue) -> Verdict | None:
    """The verdict to carry out; None when the handler lacked something outside and nothing was
    decided.

    An unexpected exception is a `Retry`, taking too long is one, too, and a `Retry` of the last
    attempt is a `Reject`; so is at once what would make a record too large for the store.
    """
    limit = asyncio.timeout(HANDLER_SECONDS)
    try:
        async with limit:
            verdict = await handler(delivery)
    except Unavailable as error:
        log.warning("%s gives message %s back: %s", queue.name, delivery.message.id, error)
        return None
    except TooLarge as error:  # trying again would change nothing
        log.warning("%s refuses message %s: %s", queue.name, delivery.message.id, error)
        return Reject(rejections.RECORD_TOO_LARGE, str(error))
    except Exception as error:
        log.exception(
            "%s failed on message %s, attempt %d", queue.name, delivery.message.id, delivery.attempt
        )
        why = (
            f"not judged within {HANDLER_SECONDS:g} s"
            if limit.expired()
            else f"{type(error).__name__}: {error}"
        )
        verdict = Retry(rejections.POISON, why)
    if isinstance(verdict, Retry) and verdict.counts and delivery.attempt >= queue.max_attempts:
        return Reject(verdict.code, verdict.reason)
    return verdict


def too_large(size: int, max_bytes: int) -> Reject:
    return Reject(rejections.TOO_LARGE, f"{size:,} bytes; at most {max_bytes:,} are accepted")


def as_handler(collector: Collector) -> Handler:
    """A handler that accepts what was collected and gives back the rest; a letter is never judged a
    second time.
    """

    async def collect(delivery: Delivery) -> Verdict:
        try:
            async with asyncio.timeout(_COLLECT_SECONDS):
                await collector(delivery.message)
        except Unavailable:
            raise
        except Exception as error:
            log.exception(
                "dead letter %s of %s cannot be collected", delivery.message.id, delivery.queue
            )
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        return Accept()

    return collect


def dead_letter(delivery: Delivery, verdict: Reject, now: datetime) -> Message:
    """The message as it goes to the dead letters: same id, body and headers, and why, from where
    and when.
    """
    message = delivery.message
    log.warning(
        "message %s (%s) is a dead letter: %s", message.id, message.routing_key, verdict.code
    )
    why = dead_letter_headers(message.routing_key, verdict, now, delivery.attempt)
    return msgspec.structs.replace(message, headers={**message.headers, **why})


def dead_letter_headers(
    routing_key: str, verdict: Reject, now: datetime, attempt: int
) -> dict[str, str]:
    return {
        "x-reject-code": verdict.code,
        "x-reject-reason": verdict.reason[:_REASON_MAX],
        "x-reject-attempts": str(attempt),
        "x-original-routing-key": routing_key,
        "x-rejected-at": now.isoformat(),
    }


class Pause:
    """Holds a consumer back while what its handler needs is unavailable: 1 s, doubling to 10 s.

    After each pause one message is tried; when it comes to a verdict, all is as before. `on_change`
    is called whenever the consumer should take more or fewer messages than just now.
    """

    def __init__(self, on_change: Callable[[], object] = lambda: None) -> None:
        self._on_change = on_change
        self._over = asyncio.Event()
        self._over.set()
        self._is_well = True
        self._seconds = _PAUSE_FIRST_SECONDS

    @property
    def is_on(self) -> bool:
        """Nothing should be taken now."""
        return not self._over.is_set()

    @property
    def is_trial(self) -> bool:
        """One message at a time should be taken: the last thing known is a failure."""
        return not self._is_well

    def begin(self) -> None:
        """Handlers that fail together cause one pause."""
        self._is_well = False
        if self._over.is_set():
            self._over.clear()
            asyncio.get_running_loop().call_later(self._seconds, self._over.set)
            self._seconds = min(2 * self._seconds, _PAUSE_MAX_SECONDS)
        self._on_change()

    def forget(self) -> None:
        """A handler came to a verdict: what it needs is there."""
        self._is_well = True
        self._seconds = _PAUSE_FIRST_SECONDS
        self._on_change()

    def end(self) -> None:
        self._over.set()

    async def over(self) -> None:
        await self._over.wait()


async def drain(tasks: set[asyncio.Task[None]], *, within_seconds: float = DRAIN_SECONDS) -> None:
    """Every task has ended, by itself within this time, or cancelled, which is logged."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=within_seconds)
    if late:
        log.warning(
            "%d handlers did not finish in time: cancelling them, their messages come again",
            len(late),
        )
    await ended(*late)
