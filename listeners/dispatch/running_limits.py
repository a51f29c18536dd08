"""The running limits as a dispatcher applies them: counted in the records, so they hold for all
listeners.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic

from blocks.contracts.records import DispatchPolicy
from blocks.ports import RecordStore
from blocks.tenants.running_limits import count_running, room

COUNT_SECONDS = 1.0
"""How old a tenant's count may be. Listeners that dispatch within it may together exceed a limit by
a batch each.
"""


class RunningLimits:
    """Counts nothing, and costs nothing, where the policy sets no limit."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._taken: Counter[str] = Counter()
        self._counted_at: dict[str, float] = {}
        self._counting = asyncio.Lock()

    async def refresh(
        self,
        policy: DispatchPolicy,
        waiting: Sequence[str],
        on_their_way: Callable[[], Counter[str]],
    ) -> None:
        """The counts that the waiting tenants' room depends on are fresh enough, and others are
        forgotten. Raises `Unavailable`.

        `on_their_way`: by tenant, how many were dispatched and do not run yet.
        """
        async with self._counting:
            oldest = monotonic() - COUNT_SECONDS
            fresh = {id: at for id, at in self._counted_at.items() if at > oldest}
            stale = [id for id in waiting if _is_limited(policy, id) and id not in fresh]
            counted = await self._count(policy, stale, on_their_way) if stale else {}
            self._counted_at = fresh | counted
            self._taken = Counter({id: self._taken[id] for id in self._counted_at})

    async def _count(
        self,
        policy: DispatchPolicy,
        stale: Sequence[str],
        on_their_way: Callable[[], Counter[str]],
    ) -> dict[str, float]:
        """When which tenants were counted: these, and those that their room depends on."""
        # Before the count, or both would miss what begins to run meanwhile; what is dispatched
        # meanwhile is added.
        coming, before = on_their_way(), self._taken.copy()
        running = await count_running(self._store, policy, stale)
        counted = dict.fromkeys((*running, *stale), monotonic())
        for tenant_id in counted:
            self._taken[tenant_id] += running[tenant_id] + coming[tenant_id] - before[tenant_id]
        return counted

    def take(self, tenant_id: str, executions: int) -> None:
        """This many more have been dispatched since the last count."""
        self._taken[tenant_id] += executions

    def room(self, policy: DispatchPolicy, tenant_id: str) -> int:
        """How many more executions of this tenant may run now; under a limit none until it was
        counted.
        """
        if _is_limited(policy, tenant_id) and tenant_id not in self._counted_at:
            return 0
        return room(policy, self._taken, tenant_id)


def _is_limited(policy: DispatchPolicy, tenant_id: str) -> bool:
    return (policy.running_max, policy.share_of(tenant_id).running_max) != (None, None)
