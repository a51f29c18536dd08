"""Who is next: pending executions of all tenants, taken in weighted turns, high priorities first.

Start-time fair queueing: each tenant has a clock that what it gets moves on, by one over its weight per execution; the
tenant whose clock shows least is next. A tenant that was idle starts at the present, so nobody can save turns up.
https://en.wikipedia.org/wiki/Fair_queuing
"""

import heapq
from collections.abc import Callable
from itertools import count

from blocks.contracts.records import DispatchPolicy


class FairQueue:
    """Execution ids by tenant. Within a tenant: higher priority first, then first come, first served."""

    def __init__(self, policy: DispatchPolicy) -> None:
        self.policy = policy
        self._waiting: dict[str, list[tuple[int, int, str]]] = {}
        self._queued: set[str] = set()
        self._clocks: dict[str, float] = {}
        self._present = 0.0
        self._order = count()

    def __len__(self) -> int:
        return len(self._queued)

    def put(self, tenant_id: str, execution_id: str, priority: int = 0) -> None:
        """The execution waits for its turn; one that waits already keeps its place."""
        if execution_id in self._queued:
            return
        self._queued.add(execution_id)
        if tenant_id not in self._waiting:
            self._waiting[tenant_id] = []
            self._clocks[tenant_id] = max(self._clocks.get(tenant_id, 0.0), self._present)
        heapq.heappush(self._waiting[tenant_id], (-priority, next(self._order), execution_id))

    def take(self, room: Callable[[str], int]) -> tuple[str, list[str]] | None:
        """The next tenant for which there is `room` (how many executions it may get now), and what it gets."""
        tenant_id = min((tenant for tenant in self._waiting if room(tenant) > 0), key=self._turn, default=None)
        if tenant_id is None:
            return None
        waiting = self._waiting[tenant_id]
        taken = [heapq.heappop(waiting)[2] for _ in range(min(len(waiting), room(tenant_id)))]
        self._queued.difference_update(taken)
        self._present = self._clocks[tenant_id]
        self._clocks[tenant_id] += len(taken) / self.policy.share_of(tenant_id).weight
        if not waiting:
            del self._waiting[tenant_id]
            self._forget_idle_clocks()
        return tenant_id, taken

    def waiting(self, tenant_id: str) -> int:
        """How many of this tenant wait."""
        return len(self._waiting.get(tenant_id, ()))

    def tenants(self) -> list[str]:
        """Those that have something waiting."""
        return list(self._waiting)

    def _turn(self, tenant_id: str) -> tuple[int, float]:
        return -self.policy.share_of(tenant_id).priority, self._clocks[tenant_id]

    def _forget_idle_clocks(self) -> None:
        """A clock that is behind the present says nothing about an idle tenant that starting anew does not."""
        self._clocks = {
            tenant: clock for tenant, clock in self._clocks.items() if tenant in self._waiting or clock > self._present
        }
