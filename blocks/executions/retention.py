"""How long executions are kept: until long after their announced end, with what is theirs alone.

Steps and approvals go before their execution: a process that dies in between leaves nothing without
one, and the next look finds it again. An execution goes as it was read, or stays: of one that is
retried at that very moment, the steps that are gone are requested again.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from blocks.contracts import workflows
from blocks.contracts.records import ApprovalRecord, ExecutionRecord, StepRecord
from blocks.contracts.states import TERMINAL
from blocks.executions.steps import step_records
from blocks.observability.metrics import known, work
from blocks.ports import Between, NotFound, RecordStore, Stale, Stored, Unavailable
from blocks.processes import fault_points
from blocks.queries import PageAtATime, all_tenants, every

log = logging.getLogger(__name__)

EXECUTIONS_OF_A_TENANT = 200
"""So many are looked at, and at most deleted, in one look."""


def is_over(execution: ExecutionRecord, before: datetime) -> bool:
    """Whether it had ended, and its end was announced, before this moment."""
    moments = (execution.completed_at, execution.announced_at)
    return execution.is_terminal and all(at is not None and at < before for at in moments)


class Retention:
    """Goes through the old executions of tenants, some a look; keeps its place between looks."""

    def __init__(self) -> None:
        self._pages = PageAtATime(ExecutionRecord, limit=EXECUTIONS_OF_A_TENANT)

    def has_more(self, tenant_id: str) -> bool:
        """Whether this tenant has old executions that were not looked at."""
        return self._pages.has_more(tenant_id)

    async def delete(self, store: RecordStore, tenant_id: str, before: datetime) -> int:
        """Of the deletable workflows' executions, those that were over before this moment are gone
        with their steps and approvals, among those looked at; returns how many.

        What fails does not keep the others. Raises `Unavailable`: the rest is found again.
        """
        deleted = 0
        begun = {"workflow": workflows.deletable(), "created_at": Between(until=before)}
        page: Sequence[Stored[ExecutionRecord]] = ()
        with _failure_counted("old executions of %s cannot be looked through", tenant_id):
            page = await self._pages.next(store, tenant_id, begun)
        for seen in page:
            with _failure_counted("execution %s cannot be deleted", seen.record.id):
                deleted += is_over(seen.record, before) and await _delete(store, seen)
        return deleted


@contextmanager
def _failure_counted(message: str, about: str) -> Iterator[None]:
    """What fails in it is counted, and logged with this message. Raises `Unavailable`."""
    try:
        yield
    except Exception as error:
        work.DELETIONS_FAILED.inc()
        if isinstance(error, Unavailable):
            raise
        log.exception(message, about)


async def _delete(store: RecordStore, seen: Stored[ExecutionRecord]) -> bool:
    """False, and it stays, if it has changed since, or something is still due for an approval."""
    tenant_id, id = seen.record.tenant_id, seen.record.id
    if not await _is_unchanged(store, seen):  # a page takes a while
        return False
    of_execution = {"execution_id": id}
    approvals = [one.record async for one in every(store, tenant_id, ApprovalRecord, of_execution)]
    if any(approval.settled_at is None for approval in approvals):
        return False
    for step in await step_records(store, tenant_id, [id]):
        await store.delete(tenant_id, StepRecord, step.id)
    for approval in approvals:
        await store.delete(tenant_id, ApprovalRecord, approval.id)
    fault_points.reached("after-steps-deleted")
    try:
        await store.delete(tenant_id, ExecutionRecord, id, etag=seen.etag)
    except Stale:
        return False
    work.DELETED.labels(known(seen.record.workflow, workflows.WORKFLOWS)).inc()
    return True


async def _is_unchanged(store: RecordStore, seen: Stored[ExecutionRecord]) -> bool:
    try:
        now = await store.read(seen.record.tenant_id, ExecutionRecord, seen.record.id)
    except NotFound:
        return False
    return now.etag == seen.etag


# --- what would go --------------------------------------------------------------------------------


class OldExecutions(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many executions of a tenant have ended and had begun before a moment."""

    tenant_id: str
    workflow: str
    executions: int


async def old_executions(store: RecordStore, before: datetime) -> list[OldExecutions]:
    """Of every tenant and deletable workflow that has some: at most so many are over."""
    old = {"status": TERMINAL, "created_at": Between(until=before)}
    counts = [
        OldExecutions(
            tenant_id=tenant_id,
            workflow=workflow,
            executions=await store.count(tenant_id, ExecutionRecord, {"workflow": workflow, **old}),
        )
        for tenant_id in sorted(await all_tenants(store))
        for workflow in workflows.deletable()
    ]
    return [one for one in counts if one.executions]
