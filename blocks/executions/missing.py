"""Executions that Prefect has carried and that have no record: what records from a backup lack."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import msgspec

from blocks.contracts.records import ExecutionRecord
from blocks.ports import FlowRuns, FlowRunView, RecordStore
from blocks.queries import those

_UNENDED = ("scheduled", "pending", "running", "paused", "cancelling")
_ENDED = ("completed", "failed", "crashed", "cancelled")

_TOGETHER = 200


class MissingExecution(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One of them. `flow_run_name` has its subject, unless a batch was too large to name all."""

    tenant_id: str
    execution_id: str
    flow_run_id: str
    flow_run_name: str


async def missing_executions(
    store: RecordStore, flow_runs: FlowRuns, since: datetime
) -> list[MissingExecution]:
    """Of all flow runs that are not over, or were over since then: at most 10,000 of each. Runs
    that open their executions themselves (schedules, by hand) name none.
    """
    runs = await flow_runs.list_runs(states=_ENDED, since=since)
    runs += await flow_runs.list_runs(states=_UNENDED)
    carried: dict[str, dict[str, FlowRunView]] = defaultdict(dict)
    for run in runs:
        carried[run.tenant_id] |= dict.fromkeys(run.execution_ids, run)
    missing = []
    for tenant_id, of_tenant in carried.items():
        recorded = await _recorded(store, tenant_id, of_tenant)
        missing += [
            MissingExecution(
                tenant_id=tenant_id, execution_id=id, flow_run_id=run.id, flow_run_name=run.name
            )
            for id, run in of_tenant.items()
            if id not in recorded
        ]
    return missing


async def _recorded(store: RecordStore, tenant_id: str, execution_ids: Iterable[str]) -> set[str]:
    ids, found = list(execution_ids), set[str]()
    for start in range(0, len(ids), _TOGETHER):
        some = ids[start : start + _TOGETHER]
        found |= (await those(store, tenant_id, ExecutionRecord, some)).keys()
    return found
