"""Who is next: pending executions of all tenants, taken in weighted turns, high priorities first.

Start-time fair queueing: each tenant has a clock that advances by one over its weight per
execution; the tenant with the lowest clock is next. A tenant that was idle starts at the present,
so that turns cannot be saved up. https://en.wikipedia.org/wiki/Fair_queuing
"""

import heapq
from collections.abc import Callable, Collection, Sequence
from itertools import count
from typing import NamedTuple

from blocks.contracts.records import DispatchPolicy


class Lane(NamedTuple):
    """What may share a flow run: executions of one workflow of one tenant."""

    tenant_id: str
    workflow: str


class Entry(NamedTuple):
    """An execution in the queue; the lowest entry is the first of its lane."""

    rank: int
    """Minus its priority."""
    order: int
    """Of its arrival."""
    execution_id: str
    subject: str
    """"": not known."""


class FairQueue:
    """Executions by lane. Within a tenant: higher priority first, then first come, first served."""

    def __init__(self, policy: DispatchPolicy) -> None:
        self.policy = policy
        self._waiting: dict[Lane, list[Entry]] = {}
        self._queued: set[str] = set()
        self._clocks: dict[str, float] = {}
        self._present = 0.0
        self._order = count()

    def __len__(self) -> int:
        return len(self._queued)

    def put(self, lane: Lane, execution_id: str, priority: int = 0, *, subject: str = "") -> None:
        """The execution waits for its turn; one that waits already keeps its place."""
        self._put(lane, Entry(-priority, next(self._order), execution_id, subject))

    def put_back(self, lane: Lane, entries: Sequence[Entry]) -> None:
        """These wait again, each in the place that it had."""
        for entry in entries:
            self._put(lane, entry)

    def _put(self, lane: Lane, entry: Entry) -> None:
        if entry.execution_id in self._queued:
            return
        self._queued.add(entry.execution_id)
        if not self.waiting(lane.tenant_id):
            self._clocks[lane.tenant_id] = max(self._clocks.get(lane.tenant_id, 0.0), self._present)
        heapq.heappush(self._waiting.setdefault(lane, []), entry)

    def take(self, room: Callable[[Lane], int]) -> tuple[Lane, list[Entry]] | None:
        """The next lane for which there is `room` (how many executions it may get now), and what it
        gets.
        """
        lane = min((lane for lane in self._waiting if room(lane) > 0), key=self._turn, default=None)
        if lane is None:
            return None
        waiting = self._waiting[lane]
        taken = [heapq.heappop(waiting) for _ in range(min(len(waiting), room(lane)))]
        self._queued.difference_update(entry.execution_id for entry in taken)
        self._present = self._clocks[lane.tenant_id]
        self._clocks[lane.tenant_id] += len(taken) / self.policy.share_of(lane.tenant_id).weight
        self._forget_if_empty(lane)
        return lane, taken

    def discard(self, lane: Lane, execution_ids: Collection[str]) -> None:
        """Those of these that wait in this lane no longer wait."""
        if self._queued.isdisjoint(execution_ids) or lane not in self._waiting:
            return
        waiting = self._waiting[lane]
        left = [entry for entry in waiting if entry.execution_id not in execution_ids]
        self._queued -= {entry.execution_id for entry in waiting} & set(execution_ids)
        heapq.heapify(left)
        self._waiting[lane] = left
        self._forget_if_empty(lane)

    def waiting(self, tenant_id: str) -> int:
        """How many of this tenant wait."""
        return sum(
            len(waiting) for lane, waiting in self._waiting.items() if lane.tenant_id == tenant_id
        )

    def tenants(self) -> list[str]:
        """Those that have something waiting."""
        return list(dict.fromkeys(lane.tenant_id for lane in self._waiting))

    def _turn(self, lane: Lane) -> tuple[int, float, Entry]:
        """By the tenant's turn; of one tenant's lanes, that of the execution which comes first."""
        priority = self.policy.share_of(lane.tenant_id).priority
        return -priority, self._clocks[lane.tenant_id], self._waiting[lane][0]

    def _forget_if_empty(self, lane: Lane) -> None:
        if not self._waiting[lane]:
            del self._waiting[lane]
            self._forget_idle_clocks()

    def _forget_idle_clocks(self) -> None:
        """For an idle tenant, a clock behind the present is the same as none."""
        waiting = set(self.tenants())
        self._clocks = {
            tenant: clock
            for tenant, clock in self._clocks.items()
            if tenant in waiting or clock > self._present
        }
