"""What an operation knows from one run to the next: one record for each of its subjects."""

from typing import TypeVar

import msgspec

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import Operation
from blocks.contracts.records import OperationStateRecord
from blocks.ports import NotFound, RecordStore, Stored
from blocks.updates import update

S = TypeVar("S", bound=msgspec.Struct)


async def known(store: RecordStore, operation: Operation, subject: str, kind: type[S]) -> S | None:
    """What was kept last; None: nothing."""
    kept = await stored(store, operation, subject)
    return msgspec.convert(kept.record.state, kind) if kept else None


async def keep(
    store: RecordStore, operation: Operation, subject: str, state: msgspec.Struct
) -> None:
    """From now on this is what is known of the subject."""

    async def kept() -> None:
        await write(store, operation, subject, state, over=await stored(store, operation, subject))

    await update(kept, f"what {operation.id} knows of {subject}")


async def stored(
    store: RecordStore, operation: Operation, subject: str
) -> Stored[OperationStateRecord] | None:
    """The record of the subject; None: there is none."""
    id = ids.operation_state_id(operation.id, subject)
    try:
        return await store.read(SYSTEM_TENANT, OperationStateRecord, id)
    except NotFound:
        return None


async def write(
    store: RecordStore,
    operation: Operation,
    subject: str,
    state: msgspec.Struct,
    *,
    over: Stored[OperationStateRecord] | None,
) -> None:
    """The record of the subject has this state. Raises `Stale` or `AlreadyExists` if it is no
    longer as `over` shows it.
    """
    if over is None:
        await store.create(SYSTEM_TENANT, _new(operation, subject, state))
        return
    record = msgspec.structs.replace(
        over.record, state=msgspec.to_builtins(state), updated_at=utc_now()
    )
    await store.replace(SYSTEM_TENANT, over.etag, record)


def _new(operation: Operation, subject: str, state: msgspec.Struct) -> OperationStateRecord:
    now = utc_now()
    return OperationStateRecord(
        id=ids.operation_state_id(operation.id, subject),
        tenant_id=SYSTEM_TENANT,
        created_at=now,
        operation=operation.id,
        subject=subject,
        state=msgspec.to_builtins(state),
        updated_at=now,
    )
