"""The embedded store answers what is asked all the time from an index, not by walking through a
tenant's records.
"""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from blocks.adapters.sqlite.record_store import SqliteRecordStore, _select
from blocks.contracts import workflows
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, Record, StepRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseLogEntry, PhaseRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.ports import Between, NotAbove, Query
from tests.support.factories import A_TENANT

DUE = {"settled_at": None, "next_at": NotAbove(1.0)}


@pytest.mark.parametrize(
    ("kind", "where", "index"),
    [
        (ApprovalRecord, {**DUE, "status": ("pending",)}, "hitl_approvals_due"),
        (
            ApprovalRecord,
            {**DUE, "status": ("approved", "rejected", "expired", "cancelled")},
            "hitl_approvals_due",
        ),
        (ApprovalRecord, {"execution_id": "e"}, "hitl_approvals_by_executionId"),
        (
            ExecutionRecord,
            {"status": ("completed", "failed"), "announced_at": None},
            "workflow_executions_unannounced",
        ),
        (ExecutionRecord, {"workflow": "w", "subject": "o"}, "workflow_executions_by_subject"),
        (
            ExecutionRecord,
            {"workflow": "w", "created_at": Between(since=datetime(2026, 1, 1, tzinfo=UTC))},
            "workflow_executions_by_workflow",
        ),
        (
            ExecutionRecord,
            {
                "workflow": workflows.deletable(),
                "created_at": Between(until=datetime(2026, 1, 1, tzinfo=UTC)),
            },
            "workflow_executions_by_age",
        ),
        (ExecutionRecord, {"status": "running"}, "workflow_executions_by_status"),
        (ApprovalRecord, {"status": "pending"}, "hitl_approvals_by_status"),
        (DeadLetterRecord, {"status": "waiting"}, "workflow_dead_letters_by_status"),
        (StepRecord, {"execution_id": ("e", "f")}, "workflow_steps_by_executionId"),
        (PhaseRecord, {"execution_id": "e"}, "workflow_claims_by_executionId"),
        (ClaimRecord, {"execution_id": "e"}, "workflow_claims_by_executionId"),
        (PhaseLogEntry, {"execution_id": ("e", "f")}, "workflow_claims_by_executionId"),
        (PhaseRecord, {"sync_id": "s"}, "workflow_claims_by_syncId"),
        (PhaseLogEntry, {"sync_id": "s"}, "workflow_claims_by_syncId"),
        (
            PhaseRecord,
            {"user_id": "u", "phase": 1, "status": ("requested", "running")},
            "workflow_claims_by_userId",
        ),
    ],
    ids=str,
)
async def test_what_is_asked_all_the_time_is_answered_from_its_index(
    tmp_path: Path, kind: type[Record], where: dict[str, Any], index: str
) -> None:
    async with SqliteRecordStore(tmp_path / "records.db"):
        query = Query(kind, where, newest_first=False)
        sql, parameters = _select(A_TENANT, query, after=None, limit=501)
        with sqlite3.connect(tmp_path / "records.db") as connection:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
        connection.close()

    assert f"USING INDEX {index} " in plan[0][3]
