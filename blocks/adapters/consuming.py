"""The settlement of a delivery, on any bus: judged by its handler, then done, retried or set aside.

Both event buses use these rules, so that a verdict means the same on a laptop and on a broker.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec

from blocks.contracts import rejections
from blocks.ports import (
    Accept,
    BunchHandler,
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

BUNCHES_AT_ONCE = 8
"""Few, so that what comes while they are judged waits, and is judged together."""

_COLLECT_SECONDS = 30.0

_REASON_MAX = 500
_PAUSE_FIRST_SECONDS = 1.0
_PAUSE_MAX_SECONDS = 10.0


async def judge_together(
    handler: BunchHandler, deliveries: Sequence[Delivery], queue: Queue
) -> list[Verdict | None]:
    """The verdict to carry out on each; None where the handler lacked something outside and nothing
    was decided.

    An unexpected exception is a `Retry`, taking too long is one, too, and a `Retry` of the last
    attempt is a `Reject`; so is at once what would make a record too large for the store.
    """
    limit = asyncio.timeout(HANDLER_SECONDS)
    try:
        async with limit:
            outcomes = await handler(deliveries)
    except Exception as error:
        if len(deliveries) > 1 and not isinstance(error, Unavailable):
            log.warning(
                "%s judges %d messages each alone: %s", queue.name, len(deliveries), error or limit
            )
            alone = await asyncio.gather(
                *(judge_together(handler, [one], queue) for one in deliveries)
            )
            return [verdict for [verdict] in alone]
        if limit.expired():
            error = TimeoutError(f"not judged within {HANDLER_SECONDS:g} s")
        outcomes = [error] * len(deliveries)
    return [
        _verdict(outcome, delivery, queue)
        for outcome, delivery in zip(outcomes, deliveries, strict=True)
    ]


def _verdict(outcome: Verdict | Exception, delivery: Delivery, queue: Queue) -> Verdict | None:
    verdict: Verdict
    match outcome:
        case Unavailable():
            log.warning("%s gives message %s back: %s", queue.name, delivery.message.id, outcome)
            return None
        case TooLarge():  # trying again would change nothing
            log.warning("%s refuses message %s: %s", queue.name, delivery.message.id, outcome)
            return Reject(rejections.RECORD_TOO_LARGE, str(outcome))
        case Exception():
            log.error(
                "%s failed on message %s, attempt %d",
                queue.name,
                delivery.message.id,
                delivery.attempt,
                exc_info=outcome,
            )
            verdict = Retry(rejections.POISON, f"{type(outcome).__name__}: {outcome}")
        case _:
            verdict = outcome
    if isinstance(verdict, Retry) and verdict.counts and delivery.attempt >= queue.max_attempts:
        return Reject(verdict.code, verdict.reason)
    return verdict


def one_by_one(handler: Handler) -> BunchHandler:
    """A handler that is given bunches of one."""

    async def judge_one(deliveries: Sequence[Delivery]) -> Sequence[Verdict | Exception]:
        [delivery] = deliveries
        return [await handler(delivery)]

    return judge_one


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

    def heed(self, verdicts: Iterable[Verdict | None]) -> None:
        """Of deliveries that were judged together."""
        decided = {verdict is not None for verdict in verdicts}
        if True in decided:
            self.forget()
        if False in decided:
            self.begin()

    def end(self) -> None:
        self._over.set()

    async def over(self) -> None:
        await self._over.wait()


async def drain(tasks: set[asyncio.Task[None]], *, within_seconds: float = DRAIN_SECONDS) -> None:
    """Every task has ended, those that were added meanwhile, too: by itself within this time, or
    cancelled, which is logged.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within_seconds
    while (left := _unfinished(tasks)) and clock() < deadline:
        await asyncio.wait(left, timeout=deadline - clock(), return_when=asyncio.FIRST_COMPLETED)
    if left:
        log.warning(
            "%d handlers did not finish in time: cancelling them, their messages come again",
            len(left),
        )
    await ended(*left)


def _unfinished(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    return {task for task in tasks if not task.done()}
