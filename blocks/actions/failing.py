"""Failing an execution from outside its steps: one function behind workers and the reconciler."""

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
    # The announcement is last: while it is owed, the reconciler does both.
    if stored.record.status == "awaiting_approval" or stored.record.approval_ids:
        await withdraw_approvals(store, stored.record, error)
    await transitions.announce(store, bus, [ended])
    return True
