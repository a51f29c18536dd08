"""Retrying an execution that has failed or was cancelled, or that is at rest with something failed:
one function behind API and CLI.

A retry keeps the id, because that is the `workflowId` which tenants and the older service's clients
hold: the record is pending again, with its outcome among `previous_outcomes`. Steps that succeeded
are kept; the others are requested again. Each try is announced like an execution of its own: its
requests and its one end have ids that name the try (`blocks/contracts/ids.py`), so whatever a
worker of an earlier try still publishes repeats an earlier event. The attempts count on, so such a
worker cannot write. Approvals that were granted stay granted; any other is requested again.
"""

import msgspec

from blocks import signals
from blocks.actions.cancelling import withdraw_approvals
from blocks.contracts import workflows
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import RETRYABLE
from blocks.executions import transitions
from blocks.ports import EventBus, RecordStore, Stored, WrongVersion
from blocks.updates import update_known

RETRIES_MAX = 100


class NotRetryable(Exception):
    """The execution cannot be tried again, for this reason."""

    def __init__(self, execution_id: str, reason: str) -> None:
        super().__init__(f"execution {execution_id} cannot be retried: {reason}")
        self.execution_id = execution_id
        self.reason = reason


async def retry_execution(
    store: RecordStore,
    bus: EventBus,
    tenant_id: str,
    execution_id: str,
    actor: str | None = None,
    etag: str | None = None,
) -> ExecutionRecord:
    """The execution is pending again, once for any number of callers; dispatchers are notified.

    Raises as `reopen_execution` does.
    """
    record = await reopen_execution(store, bus, tenant_id, execution_id, actor, etag)
    await notify_dispatchers(bus, record)
    return record


async def reopen_execution(
    store: RecordStore,
    bus: EventBus,
    tenant_id: str,
    execution_id: str,
    actor: str | None = None,
    etag: str | None = None,
) -> ExecutionRecord:
    """The execution is pending again, once for any number of callers; the caller carries it out, or
    notifies dispatchers.

    Raises `NotFound`, `NotRetryable` for one of which nothing has failed or that another caller has
    just retried, `WrongVersion` if its record no longer has the store's ETag that is required,
    `Unavailable` when its current end cannot be announced: that comes before another try.
    """
    seen = await store.read(tenant_id, ExecutionRecord, execution_id)

    async def retried(stored: Stored[ExecutionRecord]) -> ExecutionRecord:
        if etag not in (None, stored.etag):
            raise WrongVersion(f"execution {execution_id} has changed")
        _check(stored.record, seen.record)
        if stored.record.is_terminal and stored.record.announced_at is None:
            await transitions.announce(store, bus, [stored])
            stored = await store.read(tenant_id, ExecutionRecord, execution_id)
            _check(stored.record, seen.record)
        if stored.record.status != "waiting":  # at rest it goes on, and its questions stay open
            await withdraw_approvals(store, stored.record, "the execution is tried again")
        return (await transitions.reopen(store, stored, actor)).record

    return await update_known(store, seen, retried)


async def notify_dispatchers(bus: EventBus, execution: ExecutionRecord) -> None:
    """Dispatchers are notified that it is pending; their sweep would find it too."""
    opened = signals.Opened(
        execution.tenant_id,
        execution.id,
        execution.priority,
        execution.workflow,
        subject=execution.subject,
    )
    await bus.broadcast(signals.EXECUTION_OPENED, msgspec.json.encode(opened))


def _check(now: ExecutionRecord, seen: ExecutionRecord) -> None:
    workflow = workflows.workflow_named(now.workflow)
    if not workflow.retryable:
        raise NotRetryable(now.id, f"it is a {workflow.name}; {workflow.instead}")
    if now.retries != seen.retries:
        raise NotRetryable(now.id, "another request has just retried it")
    if now.status == "waiting" and now.failed_step is None:
        raise NotRetryable(now.id, "it is at rest, and nothing of it has failed")
    if now.status not in (*RETRYABLE, "waiting"):
        raise NotRetryable(
            now.id, f"it is {now.status}, and only what is {' or '.join(RETRYABLE)} can be"
        )
    if now.retries >= RETRIES_MAX:
        raise NotRetryable(now.id, f"it has been {RETRIES_MAX} times; rerun it")
