"""Step records: created once: the first of answer, failure and deadline decides the step's end.

A retry of the execution reuses the steps that succeeded. A failed step counts in its own try only;
the next try leaves a record of its own beside it.
"""

from collections.abc import Iterable, Sequence
from typing import TypedDict, Unpack

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.observability.metrics import work
from blocks.ports import RecordStore
from blocks.queries import every, those


class Outcome(TypedDict, total=False):
    """How a step ended. `error` means failed, `skipped` is the reason why it was."""

    result: JsonObject | None
    error: str | None
    error_code: str | None
    skipped: str | None
    event_id: str | None


async def record_step(
    store: RecordStore, execution: ExecutionRecord, step: str, **outcome: Unpack[Outcome]
) -> StepRecord:
    """How this step ended: as given if it is the first, else as recorded."""
    ended = step_record(execution, step, **outcome)
    [record] = await record_steps(store, [(execution, ended)])
    return record


async def record_steps(
    store: RecordStore, ended: Sequence[tuple[ExecutionRecord, StepRecord]]
) -> list[StepRecord]:
    """How these steps of one tenant ended: each as given if it is the first, else as recorded."""
    records = [record for _, record in ended]
    tenant_id = records[0].tenant_id
    created = await store.create_all(tenant_id, records)
    taken = {record.id for record, new in zip(records, created, strict=True) if new is None}
    first = await those(store, tenant_id, StepRecord, taken)
    for (execution, record), new in zip(ended, created, strict=True):
        if new is not None:
            work.step_ended(execution, record)
    return [
        record if new is not None else first[record.id].record
        for record, new in zip(records, created, strict=True)
    ]


def step_record(execution: ExecutionRecord, step: str, **outcome: Unpack[Outcome]) -> StepRecord:
    """The step's end in the execution's present try, now."""
    now = utc_now()
    error, skipped = outcome.get("error"), outcome.get("skipped")
    return StepRecord(
        id=ids.step_record_id(execution.id, step, execution.retries),
        tenant_id=execution.tenant_id,
        execution_id=execution.id,
        step=step,
        step_id=ids.step_id(execution.id, step),
        status="failed" if error else "skipped" if skipped else "completed",
        result={"skipped": True, "reason": skipped} if skipped else outcome.get("result"),
        error=error,
        error_code=outcome.get("error_code"),
        event_id=outcome.get("event_id"),
        retry=execution.retries,
        created_at=now,
        completed_at=now,
    )


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
    store: RecordStore,
    tenant_id: str,
    execution_ids: Sequence[str],
    *,
    skips_unreadable: bool = False,
) -> list[StepRecord]:
    """All step records of these executions, of all their tries, in no particular order."""
    if not execution_ids:
        return []
    of_them = {"execution_id": tuple(execution_ids)}
    found = every(store, tenant_id, StepRecord, of_them, skips_unreadable=skips_unreadable)
    return [stored.record async for stored in found]
