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
    stored = await _read(store, operation, subject)
    return msgspec.convert(stored.record.state, kind) if stored else None


async def keep(
    store: RecordStore, operation: Operation, subject: str, state: msgspec.Struct
) -> None:
    """From now on this is what is known of the subject."""

    async def kept() -> None:
        now, before = utc_now(), await _read(store, operation, subject)
        if before:
            record = msgspec.structs.replace(
                before.record, state=msgspec.to_builtins(state), updated_at=now
            )
            await store.replace(SYSTEM_TENANT, before.etag, record)
        else:
            await store.create(SYSTEM_TENANT, _new(operation, subject, state))

    await update(kept, f"what {operation.id} knows of {subject}")


async def _read(
    store: RecordStore, operation: Operation, subject: str
) -> Stored[OperationStateRecord] | None:
    id = ids.operation_state_id(operation.id, subject)
    try:
        return await store.read(SYSTEM_TENANT, OperationStateRecord, id)
    except NotFound:
        return None


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
