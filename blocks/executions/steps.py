"""Step records: created once: the first of answer, failure and deadline decides the step's end.

A retry of the execution reuses the steps that succeeded. A failed step counts in its own try only;
the next try leaves a record of its own beside it.
"""

from collections.abc import Iterable, Sequence

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.observability.metrics import work
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
    skipped: str | None = None,
    event_id: str | None = None,
) -> StepRecord:
    """How this step ended: as given if it is the first, else as recorded. `error` means failed,
    `skipped` is the reason why it was.
    """
    now = utc_now()
    record = StepRecord(
        id=ids.step_record_id(execution.id, step, execution.retries),
        tenant_id=execution.tenant_id,
        execution_id=execution.id,
        step=step,
        step_id=ids.step_id(execution.id, step),
        status="failed" if error else "skipped" if skipped else "completed",
        result={"skipped": True, "reason": skipped} if skipped else result,
        error=error,
        error_code=error_code,
        event_id=event_id,
        retry=execution.retries,
        created_at=now,
        completed_at=now,
    )
    try:
        await store.create(execution.tenant_id, record)
    except AlreadyExists:
        return (await store.read(execution.tenant_id, StepRecord, record.id)).record
    work.step_ended(execution, record)
    return record


def counts(record: StepRecord, execution: ExecutionRecord) -> bool:
    """Whether this record holds the end of the step for the execution in its current try."""
    return record.execution_id == execution.id and (
        record.status == "completed" or record.retry == execution.retries
    )


def by_step(execution: ExecutionRecord, records: Iterable[StepRecord]) -> dict[str, StepRecord]:
    """The record that counts of each step that has one; of two successes, that of
    the earlier try.
    """
    counting = (record for record in records if counts(record, execution))
    # The last one stays.
    return {
        one.step: one
        for one in sorted(counting, key=lambda one: (one.status == "completed", -one.retry))
    }


async def step_records(
    store: RecordStore, tenant_id: str, execution_ids: Sequence[str]
) -> list[StepRecord]:
    """All step records of these executions, of all their tries, in no particular order."""
    if not execution_ids:
        return []
    return [
        stored.record
        async for stored in every(
            store, tenant_id, StepRecord, {"execution_id": tuple(execution_ids)}
        )
    ]
