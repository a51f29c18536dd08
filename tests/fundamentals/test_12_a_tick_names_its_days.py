"""A tick names its days.

A schedule is a cron line in a time zone; a moment at which it fires is a tick. A job that works
on whole days gets them from its tick: from the tick before, included, to this one, excluded. So
consecutive ticks name each day once, also where clocks change, and a retried or late flow run
names the same days. The id of the execution is computed from job and tick: a tick triggers its
job once.

Code: `blocks/schedules/ticks.py` names the days, `blocks/jobs/triggers.py` sends the trigger.
"""

from datetime import UTC, date, datetime

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import job_named
from blocks.contracts.records import ExecutionRecord
from blocks.jobs.triggers import JobRequest, trigger
from blocks.ports import EventBus, Queue, RecordStore
from blocks.schedules.ticks import Days, Schedule, days_of_tick

JOBS = Queue(name="bi_batch_jobs", bindings=("workflow.job.trigger",))
SUNDAYS_AT_ONE = Schedule("0 1 * * 0", "UTC")
DAILY_IN_BERLIN = Schedule("0 1 * * *", "Europe/Berlin")


async def test_a_weekly_tick_names_the_week_before_it() -> None:
    fired_at = datetime(2026, 3, 8, 1, tzinfo=UTC)

    assert Days(date(2026, 3, 1), date(2026, 3, 7)) == await days_of_tick(SUNDAYS_AT_ONE, fired_at)


async def test_each_day_is_named_once_where_summer_time_begins() -> None:
    ticks = [datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 3, 29, 23, tzinfo=UTC)]

    named = [await days_of_tick(DAILY_IN_BERLIN, tick) for tick in ticks]

    days = [date(2026, 3, 28), date(2026, 3, 29)]
    assert [Days(day, day) for day in days] == named


async def test_a_tick_triggers_its_job_once(bus: EventBus, store: RecordStore) -> None:
    await bus.declare(JOBS)
    tick = datetime(2026, 3, 8, 1, tzinfo=UTC)
    of_the_tick = JobRequest(
        job=job_named("risk-snapshot-backfill"),
        key=tick.isoformat(),
        triggered_by="scheduler",
        metadata={"from": "2026-03-01", "to": "2026-03-07"},
    )

    first = await trigger(store, bus, of_the_tick)
    second = await trigger(store, bus, of_the_tick)

    assert first.id == second.id
    assert 1 == await store.count(SYSTEM_TENANT, ExecutionRecord)
    assert 1 == await bus.depth(JOBS.name)
