"""Cron lines: what is shown is what Prefect fires, and what two readers read differently is
refused.
"""

from datetime import UTC, datetime
from zoneinfo import available_timezones

import pytest
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule

from blocks.contracts.jobs import JOBS
from blocks.schedules.cron import check_cron, check_timezone, next_time
from blocks.settings import BadSetting, load_settings

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


async def fired(cron: str, zone: str, start: datetime, count: int) -> list[datetime]:
    moments = await CronSchedule(cron=cron, timezone=zone).get_dates(count, start)
    return [moment.astimezone(UTC) for moment in moments]


async def shown(cron: str, zone: str, start: datetime, count: int) -> list[datetime]:
    times: list[datetime] = []
    for _ in range(count):
        times.append(await next_time(cron, zone, times[-1] if times else start))
    return times


@pytest.mark.parametrize(
    "cron", ["0 1 * * 0", "0 1 * * 7", "*/15 8-18 * * mon-fri", "0 0 1,15 jan,jul *", "5 4 1 * 1"]
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "America/Santiago"])
async def test_next_times_are_those_that_prefect_fires_at(cron: str, zone: str) -> None:
    check_cron(cron)
    start = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)
    assert await fired(cron, zone, start, 50) == await shown(cron, zone, start, 50)


@pytest.mark.parametrize("cron", ["30 0 * * *", "0 0 * * 0"])
async def test_a_time_that_summer_time_leaves_out_is_shown_when_prefect_fires_it(cron: str) -> None:
    start = datetime(2026, 9, 1, tzinfo=UTC)
    assert await fired(cron, "America/Santiago", start, 9) == await shown(
        cron, "America/Santiago", start, 9
    )


async def test_a_time_that_fired_before_the_moment_asked_for_is_not_the_next() -> None:
    """At 23:30 Prefect lists midnight, which the change leaves out, as 23:00."""
    at = datetime(2026, 9, 6, 3, 30, tzinfo=UTC)
    assert [datetime(2026, 9, 6, 3, tzinfo=UTC)] == await fired(
        "0 0 * * *", "America/Santiago", at, 1
    )
    assert datetime(2026, 9, 7, 3, tzinfo=UTC) == await next_time(
        "0 0 * * *", "America/Santiago", at
    )


@pytest.mark.parametrize(
    ("cron", "advice"),
    [
        ("0 0 */2 * 1", "'0 0 1-31/2 * 1' for either"),
        ("0 0 */1 * 1", "'0 0 1-31/1 * 1' for either"),
        ("0 0 1 * */2", "'0 0 1 * 0-6/2' for either"),
        ("0 0 */3 * mon-fri", "'0 0 1-31/3 * mon-fri' for either"),
        ("1-1 * * * *", "'1-1' as minute is read in two ways: write 1"),
        ("0 0 1 * sat-mon", "bad day-of-week"),
        ("0 22-2 * * *", "bad hour"),
        ("*/0 * * * *", "bad minute"),
        ("0 0 30 2 *", "day"),
        ("0 0 1 * 5L", "'5L' is not a cron field"),
        ("0 0 1 * 1#2", "'1#2' is not a cron field"),
        ("H H * * *", "'H' is not a cron field"),
        ("0 0 1,31 * *", "cron and Prefect differ over '1,31' as day of month, as on 2024-03-01"),
        ("0 0 */5 * *", "use days up to 28"),
        ("30 2 1,30 1-6 *", "a schedule for each day"),
        ("@daily", "five fields"),
        ("0 0 0 1 1 *", "five fields"),
    ],
)
def test_a_line_that_is_read_in_two_ways_is_refused_with_what_to_write(
    cron: str, advice: str
) -> None:
    with pytest.raises(BadSetting) as refusal:
        load_settings({"OUTCOME_SYNC_CRON": cron})
    assert str(refusal.value).startswith(
        f"setting batch_jobs.outcome_sync_cron (OUTCOME_SYNC_CRON) is {cron!r}: "
    )
    assert advice in str(refusal.value)


@pytest.mark.parametrize(
    "cron",
    [
        "0 0 31 * *",
        "0 0 29-31 * 1",
        "0 0 1,28 * *",
        "0 0 1-31/2 * 1",
        "0 0 1-31/1 * 1",
        "0 0 1 * 0-6/2",
        "0 0 1-31/3 * mon-fri",
    ],
)
def test_what_is_advised_is_accepted(cron: str) -> None:
    check_cron(cron)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.id)
def test_the_default_of_every_job_is_accepted(job: object) -> None:
    check_cron(job.cron)  # type: ignore[attr-defined]


# --- any line -------------------------------------------------------------------------------------


def fields(lowest: int, highest: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    number = st.integers(lowest, highest).map(str) | st.sampled_from(names or (str(lowest),))
    ranges = st.tuples(number, number).map("-".join)
    stepped = st.tuples(st.just("*") | ranges | number, st.integers(0, highest + 2).map(str)).map(
        "/".join
    )
    part = number | ranges | stepped | st.just("*")
    return st.just("*") | part | st.lists(part, min_size=1, max_size=3).map(",".join)


ANY_LINE = st.tuples(
    fields(0, 59),
    fields(0, 23),
    fields(1, 31),
    fields(1, 12, ("jan", "FEB", "Dec")),
    fields(0, 7, ("sun", "MON", "Sat")),
).map(" ".join)


@settings(max_examples=60)
@given(ANY_LINE, st.datetimes(datetime(2024, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC)))
async def test_a_line_that_is_accepted_is_read_alike_by_prefect_and_cron(
    cron: str, start: datetime
) -> None:
    try:
        check_cron(cron)
    except ValueError:
        assume(False)
    by_cron = CronSim(cron, start)
    expected = [next(by_cron) for _ in range(12)]
    assert expected == await shown(cron, "UTC", start, 12)


# --- time zones -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Santiago", "Asia/Kathmandu"])
def test_a_zone_that_prefect_knows_is_accepted(name: str) -> None:
    check_timezone(name)


@pytest.mark.parametrize(
    "name", ["", "europe/berlin", "localtime", "Factory", "Mars/Olympus", "../etc/passwd", "+01:00"]
)
def test_any_other_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="IANA"):
        check_timezone(name)


def test_every_zone_of_the_database_is_accepted_or_refused_in_words() -> None:
    refused = []
    for name in available_timezones():
        try:
            check_timezone(name)
        except ValueError:
            refused.append(name)
    assert len(refused) < 20, refused
