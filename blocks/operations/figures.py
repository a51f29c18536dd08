"""Figures of the operations' runs, from their records."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import OPERATIONS, Operation
from blocks.contracts.records import ExecutionRecord
from blocks.operations.runs import Run, RunStatus
from blocks.ports import Query, RecordStore

_AVERAGED = 100
"""The newest completed runs, whose durations are averaged."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one operation."""

    total_runs: int
    successful_runs: int
    failed_runs: int
    average_duration_ms: float
    """Of the last hundred that completed; 0: none has."""
    last_run_at: datetime | None
    last_status: RunStatus | None


async def figures_of_all(store: RecordStore) -> Mapping[str, Figures]:
    """By operation, in the order of the table."""
    return {operation.id: await _figures(store, operation) for operation in OPERATIONS}


async def _figures(store: RecordStore, operation: Operation) -> Figures:
    runs = {"workflow": operation.id}
    done = {**runs, "status": "completed"}
    newest = await store.query(
        SYSTEM_TENANT, Query(ExecutionRecord, runs, limit=1, skips_unreadable=True)
    )
    completed = await store.query(
        SYSTEM_TENANT, Query(ExecutionRecord, done, limit=_AVERAGED, skips_unreadable=True)
    )
    last = Run(execution=newest.items[0].record, steps={}) if newest.items else None
    durations = [_milliseconds(stored.record) for stored in completed.items]
    return Figures(
        total_runs=await store.count(SYSTEM_TENANT, ExecutionRecord, runs),
        successful_runs=await store.count(SYSTEM_TENANT, ExecutionRecord, done),
        failed_runs=await store.count(
            SYSTEM_TENANT, ExecutionRecord, {**runs, "status": ("failed", "cancelled")}
        ),
        average_duration_ms=round(sum(durations) / len(durations), 1) if durations else 0.0,
        last_run_at=last.started_at if last else None,
        last_status=last.status if last else None,
    )


def _milliseconds(execution: ExecutionRecord) -> float:
    begun, ended = execution.started_at or execution.created_at, execution.completed_at
    return (ended - begun).total_seconds() * 1000 if ended else 0.0
