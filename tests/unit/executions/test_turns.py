"""The turn of an operation or a job, while the record of its holder cannot be read."""

from datetime import timedelta

import msgspec

from blocks.contracts import ids
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import JOBS
from blocks.contracts.operations import OPERATIONS
from blocks.contracts.records import ExecutionRecord, TurnRecord
from blocks.executions import turns
from blocks.ports import RecordStore
from tests.support.factories import now
from tests.support.stores import put_unreadable

WORK = "database-backup"


async def taken_by_unreadable(store: RecordStore, ago: timedelta) -> str:
    """The id of an execution that cannot be read and took the turn so long ago."""
    holder = await put_unreadable(store, ExecutionRecord, SYSTEM_TENANT)
    assert None is await turns.take(store, WORK, holder)
    turn = await store.read(SYSTEM_TENANT, TurnRecord, ids.turn_id(WORK))
    taken = msgspec.structs.replace(turn.record, taken_at=now() - ago)
    await store.replace(SYSTEM_TENANT, turn.etag, taken)
    return holder


async def test_a_holder_that_cannot_be_read_keeps_the_turn_as_long_as_it_may_be_at_work(
    store: RecordStore,
) -> None:
    holder = await taken_by_unreadable(store, turns.LIMIT - timedelta(minutes=1))

    assert holder == await turns.take(store, WORK, "the next one")


async def test_a_holder_that_cannot_be_read_does_not_keep_the_turn_for_ever(
    store: RecordStore,
) -> None:
    await taken_by_unreadable(store, turns.LIMIT)

    assert None is await turns.take(store, WORK, "the next one")


def test_no_operation_that_succeeds_at_once_and_no_job_is_at_work_for_longer() -> None:
    operations = [sum(step.limit_seconds for step in one.steps) for one in OPERATIONS]
    jobs = [job.report_within.total_seconds() for job in JOBS]

    assert turns.LIMIT.total_seconds() > max(*operations, *jobs)
