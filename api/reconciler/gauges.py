"""Gauges of open work, counted in the records of all tenants periodically, by the leader only."""

import logging
from collections import Counter
from functools import partial

from blocks.contracts import ids
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.states import OPEN
from blocks.contracts.workflows import WORKFLOWS
from blocks.observability.metrics import OTHER, work
from blocks.ports import RecordStore
from blocks.processes.duties import again_and_again
from blocks.queries import tenants

log = logging.getLogger(__name__)

_COUNT_SECONDS = 30.0


async def count_for_ever(store: RecordStore) -> None:
    """Counts until cancelled; then another process reports these gauges."""
    try:
        counting = partial(count_what_is_open, store)
        await again_and_again("counts of what is open", counting, _COUNT_SECONDS, log)
    finally:
        work.OPEN.clear()
        work.OVERDUE.set(0)
        work.PENDING.clear()


async def count_what_is_open(store: RecordStore) -> None:
    """Sets the gauges of open executions and of pending approvals."""
    executions, approvals = Counter[str](), Counter[str]()
    for tenant_id in {*await tenants(store), ids.SYSTEM_TENANT}:
        for status in OPEN:
            executions[status] += await store.count(tenant_id, ExecutionRecord, {"status": status})
        waiting = {"status": "pending"}
        approvals[OTHER] += await store.count(tenant_id, ApprovalRecord, waiting)
        for workflow in WORKFLOWS:
            ours = await store.count(tenant_id, ApprovalRecord, {**waiting, "workflow": workflow})
            approvals[workflow] += ours
            approvals[OTHER] -= ours
    for status in OPEN:
        work.OPEN.labels(status).set(executions[status])
    for workflow in (*WORKFLOWS, OTHER):
        work.PENDING.labels(workflow).set(approvals[workflow])
