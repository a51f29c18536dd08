"""How fast backlogs are dispatched while other tenants need executions at once.

Alone, a backlog gets all there is. Beside tenants whose few executions start at once, it yields, as
background traffic does on a network (LEDBAT, RFC 6817): their starts show how busy the system is,
wherever the bottleneck lies. While they are prompt, backlogs get a little more each time; a late
one costs them a quarter of their rate.
"""

from collections.abc import Callable
from time import monotonic

_TRAFFIC_SECONDS = 5.0
"""Two starts within this time are traffic that backlogs yield to, until this long after the last.
One alone is not: it would cost a backlog more than it gains its tenant.
"""

_FIRST_RATE = 20.0
_LEAST_RATE = 10.0
"""Executions per second."""

_FASTER = 1.1
_SLOWER = 0.75
_SLOWER_AT_MOST_EVERY_SECONDS = 1.0

_WORTH_SECONDS = 2.0
"""A flow run costs the server as much as fifty executions cost the worker: fewer, larger runs."""


class Pace:
    """`late_seconds`: a lone execution without requests this long after its dispatch shows load."""

    def __init__(self, late_seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._late_seconds = late_seconds
        self._clock = clock
        self._rate = _FIRST_RATE
        self._slowed_at = float("-inf")
        self._traffic_until = float("-inf")
        self._yields_until = float("-inf")
        self._next_at = float("-inf")
        self._behind_until: dict[str, float] = {}

    @property
    def yields(self) -> bool:
        return self._clock() < self._yields_until

    @property
    def rate(self) -> float:
        """Executions per second for backlogs while they yield."""
        return self._rate

    def room(self, most: int) -> int:
        """How many executions of a backlog may be dispatched now, at `most`.

        If it delays other tenants, that is the rate's share of two seconds, and then none for that
        long.
        """
        if not self.yields:
            return most
        return min(most, int(self._rate * _WORTH_SECONDS)) if self._clock() >= self._next_at else 0

    def backlog_dispatched(self, tenant_id: str, executions: int) -> None:
        """So much of the tenant's backlog was dispatched; the next has to wait in proportion."""
        now = self._clock()
        self._behind_until[tenant_id] = now + _TRAFFIC_SECONDS
        self._next_at = now + executions / self._rate
        if self.yields:
            self._rate *= _FASTER

    def started(self, tenant_id: str, seconds: float) -> None:
        """A flow run had its requests out this long after its dispatch.

        Those at the beginning and the end of a backlog are no evidence: only tenants who had none
        for a while are delayed by others.
        """
        now = self._clock()
        self._behind_until = {
            tenant: until for tenant, until in self._behind_until.items() if until > now
        }
        if tenant_id in self._behind_until:
            return
        if now < self._traffic_until:
            self._yields_until = now + _TRAFFIC_SECONDS
        self._traffic_until = now + _TRAFFIC_SECONDS
        if seconds > self._late_seconds and now >= self._slowed_at + _SLOWER_AT_MOST_EVERY_SECONDS:
            self._rate = max(self._rate * _SLOWER, _LEAST_RATE)
            self._slowed_at = now
