"""What becomes of a delivery, whatever bus carried it: judged by its handler, then done, tried again or set aside.

Both event buses use these rules, so that a verdict means the same on a laptop and on a broker.
"""

import asyncio
import logging
from datetime import datetime

import msgspec

from blocks.contracts import rejections
from blocks.ports import Delivery, Handler, Message, Queue, Reject, Retry, Unavailable, Verdict

log = logging.getLogger(__name__)

DELIVERY_LIMIT = 20
"""How often a message may be lost together with its consumer before it counts as what kills the consumers."""

DRAIN_SECONDS = 10.0
"""How long a consumer that is told to stop waits for the handlers that are at work."""

_REASON_MAX = 500
_PAUSE_FIRST_SECONDS = 1.0
_PAUSE_MAX_SECONDS = 10.0


async def judge(handler: Handler, delivery: Delivery, queue: Queue) -> Verdict | None:
    """The verdict to carry out; None when the handler lacked something outside and nothing was decided.

    An unexpected exception is a `Retry`, and a `Retry` of the last attempt is a `Reject`.
    """
    try:
        verdict = await handler(delivery)
    except Unavailable as error:
        log.warning("%s gives message %s back: %s", queue.name, delivery.message.id, error)
        return None
    except Exception as error:
        log.exception("%s failed on message %s, attempt %d", queue.name, delivery.message.id, delivery.attempt)
        verdict = Retry(rejections.POISON, f"{type(error).__name__}: {error}")
    if isinstance(verdict, Retry) and delivery.attempt >= queue.max_attempts:
        return Reject(verdict.code, verdict.reason)
    return verdict


def dead_letter(message: Message, verdict: Reject, now: datetime) -> Message:
    """The message as it goes to the dead letters: same id, body and headers, and why, from where and when."""
    log.warning("message %s (%s) is a dead letter: %s", message.id, message.routing_key, verdict.code)
    why = dead_letter_headers(message.routing_key, verdict, now)
    return msgspec.structs.replace(message, headers={**message.headers, **why})


def dead_letter_headers(routing_key: str, verdict: Reject, now: datetime) -> dict[str, str]:
    return {
        "x-reject-code": verdict.code,
        "x-reject-reason": verdict.reason[:_REASON_MAX],
        "x-original-routing-key": routing_key,
        "x-rejected-at": now.isoformat(),
    }


class Pause:
    """Holds a consumer back while what its handler needs is away: for a second, then twice as long, at most ten."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._over.set()
        self._seconds = _PAUSE_FIRST_SECONDS

    def begin(self) -> None:
        """Handlers that fail together cause one pause."""
        if self._over.is_set():
            self._over.clear()
            asyncio.get_running_loop().call_later(self._seconds, self._over.set)
            self._seconds = min(2 * self._seconds, _PAUSE_MAX_SECONDS)

    def forget(self) -> None:
        """A handler came to a verdict: the next pause is a short one."""
        self._seconds = _PAUSE_FIRST_SECONDS

    def end(self) -> None:
        self._over.set()

    async def over(self) -> None:
        await self._over.wait()


async def drain(tasks: set[asyncio.Task[None]]) -> None:
    """Every task has ended: by itself within `DRAIN_SECONDS`, or cancelled."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
