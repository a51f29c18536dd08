"""How many refusals a minute are audited: changes always are, attempts up to a limit.

A refused request costs its sender nothing, and the log is never pruned. So the first few a minute
of one caller are written down, and some more per tenant, so that one busy caller hides no other;
the rest is counted in a metric and reported once a minute in the process's log.
"""

import logging
from collections.abc import Callable
from time import monotonic

from prometheus_client import Counter

from blocks.contracts.records.audit import Act

log = logging.getLogger(__name__)

OF_ONE, OF_A_TENANT = 10, 60
"""Refusals a minute, in one process."""

WINDOW_SECONDS = 60.0
TENANTS_MAX = 1_000
"""Counted at the same time; beyond that, refusals of further tenants share one count."""

LEFT_OUT = Counter(
    "workflow_orchestrator_audit_refusals_left_out_total",
    "Refused requests that are not on the audit log, because their sender or tenant had enough "
    "there this minute",
)


class Room:
    """The counts of the current minute; lives as long as the process."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._ends_at = float("-inf")
        self._of_tenant: dict[str, int] = {}
        self._of_one: dict[tuple[str, str], int] = {}
        self._named: set[str] = set()

    def take(self, tenant_id: str, act: Act) -> bool:
        """Whether this refusal may be written down; it is counted."""
        now = self._clock()
        if now >= self._ends_at:
            self._ends_at = now + WINDOW_SECONDS
            self._of_tenant.clear()
            self._of_one.clear()
            self._named.clear()
        tenant = (
            tenant_id if tenant_id in self._of_tenant or len(self._of_tenant) < TENANTS_MAX else ""
        )
        # a service may name as many users as it likes
        one = (tenant, act.service or act.actor or "")
        written, own = self._of_tenant.get(tenant, 0), self._of_one.get(one, 0)
        if written < OF_A_TENANT and own < OF_ONE:
            self._of_tenant[tenant], self._of_one[one] = written + 1, own + 1
            return True
        LEFT_OUT.inc()
        if tenant not in self._named:
            self._named.add(tenant)
            log.warning(
                "more refused requests of tenant %s this minute than the audit log takes", tenant_id
            )
        return False


_ROOM = Room()


def room_for_refusal(tenant_id: str, act: Act) -> bool:
    return _ROOM.take(tenant_id, act)
