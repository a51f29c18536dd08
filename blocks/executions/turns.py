"""Whose turn it is: of one operation or one batch job, at most one execution is at work.

One record for each names the execution whose turn it is, while that one runs. Every take replaces
the record with the ETag under which it was read: of any number at once, one succeeds.
"""

from datetime import timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord, TurnRecord
from blocks.ports import NotFound, RecordStore, Stored, UnreadableRecord
from blocks.updates import update

OPENING = timedelta(minutes=1)
"""So long a turn is kept for an execution that is to be opened and begun."""

LIMIT = timedelta(hours=20)
"""So long one whose record cannot be read counts as at work: longer than any job has for its
report, and than one attempt at every step of any operation. That stops before its next step.
"""


async def take(store: RecordStore, work: str, execution_id: str) -> str | None:
    """None: it is the turn of this execution. Otherwise the id of the one whose turn it is.

    `work` names the operation or the job. An execution that is to be opened may take the turn
    before, and then has `OPENING` for that.
    """

    async def taken() -> str | None:
        before = await _stored(store, work)
        if before:
            holder = before.record.execution_id
            if holder != execution_id and await _is_at_work(store, before.record):
                return holder
        # Written even if it has the turn: another may just have seen it ended, before its retry.
        await _write(store, work, execution_id, over=before)
        return None

    return await update(taken, f"the turn of {work}")


async def _stored(store: RecordStore, work: str) -> Stored[TurnRecord] | None:
    try:
        return await store.read(SYSTEM_TENANT, TurnRecord, ids.turn_id(work))
    except NotFound:
        return None


async def _is_at_work(store: RecordStore, turn: TurnRecord) -> bool:
    try:
        holder = (await store.read(SYSTEM_TENANT, ExecutionRecord, turn.execution_id)).record
    except UnreadableRecord:
        return utc_now() < turn.taken_at + LIMIT
    except NotFound:
        is_new = True
    else:
        is_new = holder.status == "pending" and holder.attempt == 0
    if is_new:
        return utc_now() < turn.taken_at + OPENING
    # One that is pending for a retry takes the turn again when it is claimed.
    return holder.status == "running"


async def _write(
    store: RecordStore, work: str, execution_id: str, *, over: Stored[TurnRecord] | None
) -> None:
    now = utc_now()
    if over:
        taken = msgspec.structs.replace(over.record, execution_id=execution_id, taken_at=now)
        await store.replace(SYSTEM_TENANT, over.etag, taken)
        return
    new = TurnRecord(
        id=ids.turn_id(work),
        tenant_id=SYSTEM_TENANT,
        created_at=now,
        execution_id=execution_id,
        taken_at=now,
    )
    await store.create(SYSTEM_TENANT, new)
