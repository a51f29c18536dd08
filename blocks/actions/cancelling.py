"""Cancelling an execution in any state: one function behind API, CLI and reconciler."""

import logging

from blocks import signals
from blocks.actions.open_approvals import open_approvals
from blocks.approvals import changes, lifecycle
from blocks.approvals.decisions import Refused
from blocks.clock import utc_now
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import check_transition
from blocks.executions import transitions
from blocks.ports import (
    EventBus,
    FlowRuns,
    NotFound,
    RecordStore,
    Stored,
    Unavailable,
    WrongVersion,
)
from blocks.updates import update

log = logging.getLogger(__name__)


async def cancel_execution(
    store: RecordStore,
    bus: EventBus,
    flow_runs: FlowRuns,
    tenant_id: str,
    execution_id: str,
    reason: str,
    etag: str | None = None,
) -> ExecutionRecord:
    """The execution is cancelled and its end announced; the rest of its batch goes on.

    Raises `NotFound`, `InvalidTransition` if it has ended, `WrongVersion` if its record no longer
    has the store's ETag that is required, `Unavailable`. A pending one is skipped
    by the flow run that carries it; a running one is released by its worker; for one that awaits a
    person, the suspended run is cancelled too.
    """
    before, cancelled = await _cancel(store, tenant_id, execution_id, reason, etag)
    # Before the announcement: while that is owed, the reconciler does it.
    if before.approval_ids or before.status != "pending" or before.woken_at is not None:
        await withdraw_approvals(store, before, reason)
    await transitions.announce(store, bus, [cancelled])
    await bus.broadcast(signals.EXECUTION_CANCELLED, execution_id.encode())
    if before.status == "awaiting_approval":
        await end_suspended_run(flow_runs, before)
    return (await store.read(tenant_id, ExecutionRecord, execution_id)).record


async def _cancel(
    store: RecordStore, tenant_id: str, execution_id: str, reason: str, etag: str | None
) -> tuple[ExecutionRecord, Stored[ExecutionRecord]]:
    """The record before, and as it is now."""

    async def cancelled() -> tuple[ExecutionRecord, Stored[ExecutionRecord]]:
        stored = await store.read(tenant_id, ExecutionRecord, execution_id)
        if etag not in (None, stored.etag):
            raise WrongVersion(f"execution {execution_id} has changed")
        check_transition(stored.record.status, "cancelled")
        return stored.record, await transitions.cancel(store, stored, reason)

    return await update(cancelled, f"execution {execution_id}")


async def withdraw_approvals(store: RecordStore, execution: ExecutionRecord, reason: str) -> bool:
    """Its open approvals are withdrawn; False if there were none."""
    found = await open_approvals(store, execution)
    for stored in found:
        try:
            await lifecycle.change(
                store,
                execution.tenant_id,
                stored.record.id,
                lambda one: changes.cancelled(one, "system", reason, utc_now()),
            )
        except Refused:
            log.info("approval %s was decided before its execution ended", stored.record.id)
    return bool(found)


async def end_suspended_run(flow_runs: FlowRuns, execution: ExecutionRecord) -> None:
    """Of one that awaited a person: its run is cancelled, if Prefect answers."""
    if execution.flow_run_id is None:
        return
    try:
        await flow_runs.cancel(execution.flow_run_id)
    except (Unavailable, NotFound) as error:
        # Resumed some day, it finds its execution ended and does nothing.
        log.warning(
            "flow run %s of an execution that has ended stays suspended: %s",
            *(execution.flow_run_id, error),
        )
