"""Step records: created once, so that whoever is first (answer, failure or deadline) decides how the step ended."""

from collections.abc import Sequence

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.ports import AlreadyExists, RecordStore
from blocks.queries import every


async def record_step(
    store: RecordStore,
    execution: ExecutionRecord,
    step: str,
    *,
    result: JsonObject | None = None,
    error: str | None = None,
    error_code: str | None = None,
    event_id: str | None = None,
) -> StepRecord:
    """How this step ended: as told here if nobody told before, else as it was recorded then. `error` means failed."""
    now = utc_now()
    record = StepRecord(
        id=ids.step_record_id(execution.id, step),
        tenant_id=execution.tenant_id,
        execution_id=execution.id,
        step=step,
        step_id=ids.step_id(execution.id, step),
        status="failed" if error else "completed",
        result=result,
        error=error,
        error_code=error_code,
        event_id=event_id,
        created_at=now,
        completed_at=now,
    )
    try:
        return (await store.create(execution.tenant_id, record)).record
    except AlreadyExists:
        return (await store.read(execution.tenant_id, StepRecord, record.id)).record


async def step_records(store: RecordStore, tenant_id: str, execution_ids: Sequence[str]) -> list[StepRecord]:
    """All step records of these executions, in no particular order."""
    if not execution_ids:
        return []
    return [
        stored.record async for stored in every(store, tenant_id, StepRecord, {"execution_id": tuple(execution_ids)})
    ]
