"""How much each receiver of webhooks is given at once, so that one that hangs or is overloaded
holds up itself alone.

Kept in this process: another listener finds out by itself, which costs a receiver a few requests
more.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

AT_ONCE = 16
"""Requests of one listener to one webhook at once."""

AT_ONCE_IF_SILENT = 2
"""The same, once it has not answered a request; each takes its whole time-out."""

_FIRST_TURN_SECONDS = 1.0
_LAST_TURN_SECONDS = 60.0
_BETWEEN_TURNS_SECONDS = 0.01
_BETWEEN_TURNS_IF_SILENT_SECONDS = 0.1


class Receivers:
    """Which webhooks are busy, and which have demanded a delay, until when."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._under_way: Counter[str] = Counter()
        self._silent: set[str] = set()
        self._alone_until: dict[str, float] = {}
        self._last_turn: dict[str, float] = {}

    def seconds_to_wait(self, webhook_id: str) -> float:
        """0: it may be sent a request now; else a turn of the caller's own, so that those who wait
        do not crowd.
        """
        now = self._clock()
        if (until := self._alone_until.get(webhook_id, now)) > now:
            return until - now
        is_silent = webhook_id in self._silent
        if self._under_way[webhook_id] < (AT_ONCE_IF_SILENT if is_silent else AT_ONCE):
            return 0.0
        between = _BETWEEN_TURNS_IF_SILENT_SECONDS if is_silent else _BETWEEN_TURNS_SECONDS
        turn = max(self._last_turn.get(webhook_id, now) + between, now + _FIRST_TURN_SECONDS)
        self._last_turn[webhook_id] = min(turn, now + _LAST_TURN_SECONDS)
        return self._last_turn[webhook_id] - now

    def leave_alone(self, webhook_id: str, seconds: float) -> None:
        """Nothing is sent there for this long."""
        self._alone_until[webhook_id] = self._clock() + seconds

    def answered(self, webhook_id: str) -> None:
        self._silent.discard(webhook_id)

    def was_silent(self, webhook_id: str) -> None:
        self._silent.add(webhook_id)

    @contextmanager
    def sending(self, webhook_id: str) -> Iterator[None]:
        """A request to it is under way. Nothing is remembered of a webhook that is well and has
        none.
        """
        self._under_way[webhook_id] += 1
        try:
            yield
        finally:
            self._under_way[webhook_id] -= 1
            if not self._under_way[webhook_id]:
                self._forget(webhook_id)

    def _forget(self, webhook_id: str) -> None:
        del self._under_way[webhook_id]
        self._last_turn.pop(webhook_id, None)
        if self._alone_until.get(webhook_id, 0.0) <= self._clock():
            self._alone_until.pop(webhook_id, None)
