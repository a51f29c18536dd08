"""An end that does not come from an execution's steps: one way for workers and the reconciler."""

from blocks.actions.cancelling import withdraw_approvals
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import InvalidTransition
from blocks.executions import transitions
from blocks.ports import EventBus, RecordStore, Stale, Stored


async def fail_execution(
    store: RecordStore, bus: EventBus, stored: Stored[ExecutionRecord], code: str, error: str
) -> bool:
    """The execution has failed, its open approvals are withdrawn, and its end is announced. False,
    with nothing changed, if it was moved since it was read. Raises `Unavailable`.
    """
    try:
        ended = await transitions.fail(store, stored, code, error)
    except (Stale, InvalidTransition):
        return False
    await announce_end(store, bus, stored.record, ended)
    return True


async def announce_end(
    store: RecordStore, bus: EventBus, before: ExecutionRecord, ended: Stored[ExecutionRecord]
) -> None:
    """Its open approvals are withdrawn, and then its end is announced: while that is owed, the
    reconciler does both. Raises `Unavailable`.
    """
    if before.status == "awaiting_approval" or before.approval_ids:
        await withdraw_approvals(store, before, ended.record.error or ended.record.status)
    await transitions.announce(store, bus, [ended])
