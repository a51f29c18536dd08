"""How much each receiver of webhooks is given at once, so that one that hangs or is overloaded
holds up itself alone, and all those of a tenant no other tenant.

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

OF_A_TENANT, BUSY = 24, 48
"""Requests of one listener to the webhooks of one tenant at once, while so many to all are under
way: the rest is for other tenants. A webhook that has none under way is sent one all the same: slow
ones do not keep the tenant's others waiting.
"""

_FIRST_TURN_SECONDS = 1.0
_LAST_TURN_SECONDS = 60.0
_BETWEEN_TURNS_SECONDS = 0.01
_BETWEEN_TURNS_IF_SILENT_SECONDS = 0.1


class Receivers:
    """Which webhooks and tenants are busy, and which webhooks have demanded a delay, until when."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._under_way: Counter[str] = Counter()
        """By id, of a webhook or of a tenant."""
        self._in_all = 0
        self._silent: set[str] = set()
        self._alone_until: dict[str, float] = {}
        self._last_turn: dict[str, float] = {}

    def seconds_to_wait(self, tenant_id: str, webhook_id: str) -> float:
        """0: it may be sent a request now; else a turn of the caller's own, so that those who wait
        do not crowd.
        """
        now = self._clock()
        if (until := self._alone_until.get(webhook_id, now)) > now:
            return until - now
        is_silent, under_way = webhook_id in self._silent, self._under_way[webhook_id]
        if under_way >= (AT_ONCE_IF_SILENT if is_silent else AT_ONCE):
            between = _BETWEEN_TURNS_IF_SILENT_SECONDS if is_silent else _BETWEEN_TURNS_SECONDS
            return self._turn(webhook_id, between)
        is_busy = self._in_all >= BUSY and self._under_way[tenant_id] >= OF_A_TENANT
        if under_way and is_busy:
            return self._turn(tenant_id, _BETWEEN_TURNS_SECONDS)
        return 0.0

    def _turn(self, id: str, between_seconds: float) -> float:
        now = self._clock()
        turn = max(self._last_turn.get(id, now) + between_seconds, now + _FIRST_TURN_SECONDS)
        self._last_turn[id] = min(turn, now + _LAST_TURN_SECONDS)
        return self._last_turn[id] - now

    def leave_alone(self, webhook_id: str, seconds: float) -> None:
        """Nothing is sent there for this long."""
        self._alone_until[webhook_id] = self._clock() + seconds

    def answered(self, webhook_id: str) -> None:
        self._silent.discard(webhook_id)

    def was_silent(self, webhook_id: str) -> None:
        self._silent.add(webhook_id)

    @contextmanager
    def sending(self, tenant_id: str, webhook_id: str) -> Iterator[None]:
        """A request to it is under way. Nothing is remembered of a webhook that is well and has
        none, nor of such a tenant.
        """
        both = (tenant_id, webhook_id)
        self._under_way.update(both)
        self._in_all += 1
        try:
            yield
        finally:
            self._in_all -= 1
            self._under_way.subtract(both)
            for id in both:
                if not self._under_way[id]:
                    self._forget(id)

    def _forget(self, id: str) -> None:
        del self._under_way[id]
        self._last_turn.pop(id, None)
        if self._alone_until.get(id, 0.0) <= self._clock():
            self._alone_until.pop(id, None)
