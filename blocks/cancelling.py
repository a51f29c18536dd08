"""Calling an execution off, in whatever state it is: one function behind API, CLI and mirror."""

import logging

import msgspec

from blocks import executions, signals
from blocks.clock import utc_now
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.states import check_transition
from blocks.ports import EventBus, FlowRuns, NotFound, RecordStore, Stale, Stored, Unavailable

log = logging.getLogger(__name__)

_TRIES = 20


async def cancel_execution(
    store: RecordStore, bus: EventBus, flow_runs: FlowRuns, tenant_id: str, execution_id: str, reason: str
) -> ExecutionRecord:
    """The execution is cancelled and its end announced; the rest of its batch goes on.

    Raises `NotFound`, `InvalidTransition` if it has ended, `Unavailable`. A pending one is passed over by the flow run
    that carries it; a running one is let go by its worker; one that awaits a person takes its suspended run along.
    """
    before, cancelled = await _cancel(store, tenant_id, execution_id, reason)
    await executions.announce(store, bus, [cancelled])
    await bus.broadcast(signals.EXECUTION_CANCELLED, execution_id.encode())
    if before.status == "awaiting_approval":
        await _withdraw_approvals(store, before)
        await _end_suspended_run(flow_runs, before)
    return (await store.read(tenant_id, ExecutionRecord, execution_id)).record


async def _cancel(
    store: RecordStore, tenant_id: str, execution_id: str, reason: str
) -> tuple[ExecutionRecord, Stored[ExecutionRecord]]:
    """The record before, and as it is now."""
    for _ in range(_TRIES):
        stored = await store.read(tenant_id, ExecutionRecord, execution_id)
        check_transition(stored.record.status, "cancelled")
        try:
            return stored.record, await executions.cancel(store, stored, reason)
        except Stale:
            continue  # it has just moved: look again
    raise Unavailable(f"execution {execution_id} changed {_TRIES} times while it was being cancelled")


async def _withdraw_approvals(store: RecordStore, execution: ExecutionRecord) -> None:
    """Nobody is asked any more."""
    asked = await store.query(execution.tenant_id, ApprovalRecord, {"execution_id": execution.id, "status": "pending"})
    for stored in asked.items:
        withdrawn = msgspec.structs.replace(stored.record, status="cancelled", decided_at=utc_now())
        try:
            await store.replace(execution.tenant_id, stored.etag, withdrawn)
        except Stale:
            log.info("approval %s was decided while its execution was being cancelled", stored.record.id)


async def _end_suspended_run(flow_runs: FlowRuns, execution: ExecutionRecord) -> None:
    if execution.flow_run_id is None:
        return
    try:
        await flow_runs.cancel(execution.flow_run_id)
    except (Unavailable, NotFound) as error:
        # Resumed some day, it finds its execution ended and does nothing.
        log.warning("flow run %s of a cancelled execution stays suspended: %s", execution.flow_run_id, error)
