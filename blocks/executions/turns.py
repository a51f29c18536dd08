"""Whose turn it is: of one operation, at most one execution is at work.

One record an operation names the execution whose turn it is, while that one runs. Every take
replaces the record with the ETag under which it was read: of any number at once, one succeeds.
"""

from datetime import timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import Operation
from blocks.contracts.records import ExecutionRecord, OperationStateRecord
from blocks.operations import states
from blocks.ports import NotFound, RecordStore, Stored
from blocks.updates import update

OPENING = timedelta(minutes=1)
"""So long a turn is kept for an execution that is to be opened and claimed."""

_SUBJECT = "turn"


class Turn(msgspec.Struct, frozen=True):
    """What the record holds."""

    execution_id: str


async def take(store: RecordStore, operation: Operation, execution_id: str) -> str | None:
    """None: it is the turn of this execution. Otherwise the id of the one whose turn it is.

    An execution that is to be opened may take it before, and then has `OPENING` for that.
    """

    async def taken() -> str | None:
        before = await states.stored(store, operation, _SUBJECT)
        if before:
            holder = msgspec.convert(before.record.state, Turn).execution_id
            if holder != execution_id and await _is_at_work(store, holder, before):
                return holder
        # Written even if it has the turn: another may just have seen it ended, before its retry.
        await states.write(store, operation, _SUBJECT, Turn(execution_id), over=before)
        return None

    return await update(taken, f"the turn of {operation.id}")


async def _is_at_work(
    store: RecordStore, execution_id: str, turn: Stored[OperationStateRecord]
) -> bool:
    try:
        holder = (await store.read(SYSTEM_TENANT, ExecutionRecord, execution_id)).record
    except NotFound:
        is_new = True
    else:
        is_new = holder.status == "pending" and holder.attempt == 0
    if is_new:
        return utc_now() < turn.record.updated_at + OPENING
    # One that is pending for a retry takes the turn again when it is claimed.
    return holder.status == "running"
