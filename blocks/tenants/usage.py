"""What a tenant uses of the system, in numbers that an index answers: no record is
read for them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import operation_named
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.contracts.workflows import WORKFLOWS
from blocks.ports import Between, RecordStore


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Executions accepted since the day and since the month began."""

    today: int
    this_month: int


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """What has not ended."""

    pending: int
    running: int
    awaiting_approval: int
    waiting: int
    pending_approvals: int
    dead_letters: int


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    accepted: Mapping[str, Accepted]
    """By workflow; operations are the platform's own."""
    now: Open


async def read_usage(store: RecordStore, tenant_id: str, at: datetime) -> Usage:
    """Of the tenant, at this moment; its day and its month are those of UTC."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    month = day.replace(day=1)

    async def executions(**where: Any) -> int:
        return await store.count(tenant_id, ExecutionRecord, where)

    return Usage(
        accepted={
            workflow: Accepted(
                today=await executions(workflow=workflow, created_at=Between(since=day)),
                this_month=await executions(workflow=workflow, created_at=Between(since=month)),
            )
            for workflow in WORKFLOWS
            if tenant_id == SYSTEM_TENANT or operation_named(workflow) is None
        },
        now=Open(
            pending=await executions(status="pending"),
            running=await executions(status="running"),
            awaiting_approval=await executions(status="awaiting_approval"),
            waiting=await executions(status="waiting"),
            pending_approvals=await store.count(tenant_id, ApprovalRecord, {"status": "pending"}),
            dead_letters=await store.count(tenant_id, DeadLetterRecord, {"status": "waiting"}),
        ),
    )
