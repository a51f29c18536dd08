"""How many more executions may run, of a tenant and of all: by the dispatch policy, and by what the
records count.
"""

import sys
from collections import Counter
from collections.abc import Collection

from blocks.contracts.records import DispatchPolicy, ExecutionRecord
from blocks.ports import RecordStore
from blocks.queries import tenants


async def count_running(
    store: RecordStore, policy: DispatchPolicy, waiting: Collection[str]
) -> Counter[str]:
    """Running executions by tenant, as far as the waiting tenants' room depends on them; else
    nothing is counted.
    """
    limited = {tenant for tenant in waiting if policy.share_of(tenant).running_max is not None}
    if policy.running_max is not None and waiting:
        limited |= set(await tenants(store))
    return Counter(
        {
            tenant: await store.count(tenant, ExecutionRecord, {"status": "running"})
            for tenant in limited
        }
    )


def room(policy: DispatchPolicy, running: Counter[str], tenant_id: str) -> int:
    """How many more executions of this tenant may run now; `sys.maxsize` without a limit."""
    of_tenant, of_all = policy.share_of(tenant_id).running_max, policy.running_max
    free = sys.maxsize
    if of_tenant is not None:
        free = min(free, of_tenant - running[tenant_id])
    if of_all is not None:
        free = min(free, of_all - running.total())
    return max(free, 0)
