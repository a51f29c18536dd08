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
"""How old a count may be. Listeners that dispatch within it may together exceed a limit by a batch
each.
"""


class RunningLimits:
    """Counts nothing, and costs nothing, where the policy sets no limit."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._taken: Counter[str] = Counter()
        self._counted_at = float("-inf")
        self._counting = asyncio.Lock()

    async def refresh(
        self, policy: DispatchPolicy, waiting: Sequence[str], on_their_way: Callable[[str], int]
    ) -> None:
        """The counts that the policy needs are fresh enough. Raises `Unavailable`.

        `on_their_way`: of a tenant, how many were dispatched and do not run yet.
        """
        async with self._counting:
            if monotonic() - self._counted_at < COUNT_SECONDS:
                return
            if running := await count_running(self._store, policy, waiting):
                self._taken = Counter(
                    {tenant: count + on_their_way(tenant) for tenant, count in running.items()}
                )
                self._counted_at = monotonic()

    def take(self, tenant_id: str, executions: int) -> None:
        """This many more have been dispatched since the last count."""
        self._taken[tenant_id] += executions

    def room(self, policy: DispatchPolicy, tenant_id: str) -> int:
        """How many more executions of this tenant may run now."""
        return room(policy, self._taken, tenant_id)
