"""How many more executions may run, of a tenant and of all; counted in the records, so it holds for all listeners."""

import sys
from collections import Counter
from collections.abc import Sequence
from time import monotonic

from blocks.contracts.records import DispatchPolicy, ExecutionRecord
from blocks.ports import RecordStore
from blocks.queries import tenants
from listeners.dispatch.unstarted_runs import UnstartedRuns

COUNT_SECONDS = 1.0
"""How old a count may be. Listeners that dispatch within it may together exceed a limit by a batch each."""


class RunningLimits:
    """Counts nothing, and costs nothing, where the policy sets no limit."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._taken: Counter[str] = Counter()
        self._counted_at = float("-inf")

    async def refresh(self, policy: DispatchPolicy, waiting: Sequence[str], unstarted: UnstartedRuns) -> None:
        """The counts that the policy needs are fresh enough. Raises `Unavailable`."""
        limited = {tenant for tenant in waiting if policy.share_of(tenant).running_max is not None}
        if policy.running_max is not None and waiting:
            limited |= set(await tenants(self._store))
        if not limited or monotonic() - self._counted_at < COUNT_SECONDS:
            return
        taken: Counter[str] = Counter()
        for tenant in limited:
            running = await self._store.count(tenant, ExecutionRecord, {"status": "running"})
            taken[tenant] = running + unstarted.executions(tenant)
        self._taken = taken
        self._counted_at = monotonic()

    def take(self, tenant_id: str, executions: int) -> None:
        """This many more have been dispatched since the last count."""
        self._taken[tenant_id] += executions

    def room(self, policy: DispatchPolicy, tenant_id: str) -> int:
        """How many more executions of this tenant may run now."""
        of_tenant, of_all = policy.share_of(tenant_id).running_max, policy.running_max
        room = sys.maxsize
        if of_tenant is not None:
            room = min(room, of_tenant - self._taken[tenant_id])
        if of_all is not None:
            room = min(room, of_all - self._taken.total())
        return max(room, 0)
