"""The days that ticks name: each day once, in every zone, over every change of the clocks, at the
times of Prefect.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule

from blocks.contracts.jobs import JOB_BY_ID
from blocks.schedules.ticks import Days, Schedule, days_of_last_tick, days_of_tick, over_at
from flows.batch_job import request_of
from flows.shared.tick import Tick

DAY = timedelta(days=1)
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)

ZONES = sorted(available_timezones() - {"Factory", "localtime"}, reverse=True)

CRONS = (
    "0 0 * * 0",
    "0 1 * * 0",
    "30 0 * * *",
    "0 0 * * *",
    "0 2 * * *",
    "59 23 * * *",
    "*/30 0-3 * * *",
    "0 * * * *",
    "0 0 1 * *",
    "0 0 1,15 * 1",
    "15 23,0,1 * * 6,0",
)

SANTIAGO = Schedule("0 0 * * 0", "America/Santiago")


async def fired(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """Every moment in this span at which Prefect fires, in the order of time."""
    cron = CronSchedule.model_construct(cron=schedule.cron, timezone=schedule.timezone, day_or=True)
    found: set[datetime] = set()
    while start < end:
        stop = min(end, start + 20 * DAY)
        found.update(
            moment.astimezone(UTC) for moment in await cron.get_dates(start=start, end=stop)
        )
        start = stop
    return sorted(found)


def each_day(days: Days | None) -> list[date]:
    return (
        [days.first + timedelta(days=n) for n in range((days.last - days.first).days + 1)]
        if days
        else []
    )


async def days_named(schedule: Schedule, start: datetime, end: datetime) -> list[date]:
    """The days that the ticks of this span name, one tick after the other."""
    named: list[date] = []
    for moment in await fired(schedule, start, end):
        named += each_day(await days_of_tick(schedule, moment))
    return named


def without_gap_or_overlap(days: Sequence[date]) -> bool:
    return list(days) == [days[0] + timedelta(days=n) for n in range(len(days))] if days else True


# --- the week of Santiago -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fired_at", "first", "last"),
    [
        (datetime(2026, 8, 30, 4, tzinfo=UTC), date(2026, 8, 23), date(2026, 8, 29)),
        # on Saturday, 23:00
        (
            datetime(2026, 9, 6, 3, tzinfo=UTC),
            date(2026, 8, 30),
            date(2026, 9, 5),
        ),
        (datetime(2026, 9, 13, 3, tzinfo=UTC), date(2026, 9, 6), date(2026, 9, 12)),
    ],
)
async def test_a_weekly_tick_names_its_week_also_when_summer_time_leaves_out_its_hour(
    fired_at: datetime, first: date, last: date
) -> None:
    assert [fired_at] == await fired(SANTIAGO, fired_at - DAY, fired_at + DAY)
    assert Days(first, last) == await days_of_tick(SANTIAGO, fired_at)


def test_the_day_before_summer_time_is_over_an_hour_after_the_tick_that_names_it() -> None:
    assert datetime(2026, 9, 6, 4, tzinfo=UTC) == over_at(date(2026, 9, 5), "America/Santiago")


@pytest.mark.parametrize(
    "at", [datetime(2026, 9, 6, 3, tzinfo=UTC), datetime(2026, 9, 9, 12, 34, 56, 78, tzinfo=UTC)]
)
async def test_a_run_that_a_person_starts_repeats_the_days_of_the_last_tick(at: datetime) -> None:
    assert Days(date(2026, 8, 30), date(2026, 9, 5)) == await days_of_last_tick(SANTIAGO, at)


async def test_the_second_tick_of_a_day_names_none_and_a_person_repeats_the_first() -> None:
    twice = Schedule("0 1,13 * * *", "UTC")
    at = datetime(2026, 3, 2, 13, tzinfo=UTC)

    assert await days_of_tick(twice, at) is None
    assert Days(date(2026, 3, 1), date(2026, 3, 1)) == await days_of_last_tick(twice, at)


async def test_a_moment_that_is_no_tick_any_more_names_the_days_since_the_last() -> None:
    moved = Schedule("0 1 * * 0", "UTC")
    assert Days(date(2026, 3, 1), date(2026, 3, 7)) == await days_of_tick(
        moved, datetime(2026, 3, 8, tzinfo=UTC)
    )


# --- every zone -----------------------------------------------------------------------------------


def changes(zone: ZoneInfo, start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    """The steps in which the zone's clocks change."""
    before = start.astimezone(zone).utcoffset()
    while start < end:
        after = (start + step).astimezone(zone).utcoffset()
        if before != after:
            yield start
        start, before = start + step, after


def forward_changes(name: str) -> Iterator[datetime]:
    """The days in which the zone's clocks go forward: only there can a tick fire before its own
    day.
    """
    zone = ZoneInfo(name)
    for week in changes(zone, FIRST, LAST, 7 * DAY):
        for day in changes(zone, week, week + 7 * DAY, DAY):
            if (day + DAY).astimezone(zone).utcoffset() > day.astimezone(zone).utcoffset():  # type: ignore[operator]
                yield day


def leaves_out_midnight(name: str, changed: datetime) -> bool:
    zone = ZoneInfo(name)
    day = changed.astimezone(zone).date()
    midnights = (datetime.combine(day + n * DAY, datetime.min.time(), zone) for n in range(3))
    return any(midnight.astimezone(UTC).astimezone(zone).hour for midnight in midnights)


def last_change_at_midnight() -> dict[str, datetime]:
    """Of every zone that has had one; zones that change at the same time count once."""
    found = {name: max(days) for name in ZONES if (days := _left_out_midnights(name))}
    return {
        name: changed
        for changed, name in {changed: name for name, changed in found.items()}.items()
    }


def _left_out_midnights(name: str) -> list[datetime]:
    return [day for day in forward_changes(name) if leaves_out_midnight(name, day)]


async def test_ticks_name_each_day_once_wherever_the_clocks_leave_out_midnight() -> None:
    found = last_change_at_midnight()
    assert {"America/Santiago", "Africa/Cairo", "Asia/Beirut"} <= found.keys()
    for number, (name, changed) in enumerate(found.items()):
        for cron, near in (("0 0 * * 0", 9 * DAY), (CRONS[number % len(CRONS)], 3 * DAY)):
            days = await days_named(Schedule(cron, name), changed - near, changed + near)
            assert without_gap_or_overlap(days), (
                f"{cron} in {name} around {changed:%Y-%m-%d}: {days}"
            )


@settings(max_examples=10)
@given(
    zone=st.sampled_from(ZONES),
    cron=st.sampled_from(CRONS),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2029, 12, 1), timezones=st.just(UTC)),
)
def test_ticks_name_each_day_once_in_any_zone(zone: str, cron: str, start: datetime) -> None:
    days = asyncio.run(days_named(Schedule(cron, zone), start, start + 15 * DAY))
    assert without_gap_or_overlap(days)


def zones_apart() -> dict[str, list[datetime]]:
    """Every zone that goes forward, with the days; of zones with the same clocks around all of
    these days, one.
    """
    found = {}
    for name in ZONES:
        if days := list(forward_changes(name)):
            offsets = tuple(day.astimezone(ZoneInfo(name)).utcoffset() for day in days)
            found[tuple(days), offsets] = name
    return {name: list(days) for (days, _), name in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("cron", CRONS)
def test_ticks_name_each_day_of_ten_years_once_in_every_zone(cron: str) -> None:
    async def check() -> None:
        for name, days_of_change in zones_apart().items():
            for changed in days_of_change:
                days = await days_named(Schedule(cron, name), changed - 3 * DAY, changed + 5 * DAY)
                assert without_gap_or_overlap(days), (
                    f"{cron} in {name} around {changed:%Y-%m-%d}: {days}"
                )

    asyncio.run(check())


# --- the trigger ----------------------------------------------------------------------------------


A_DAY = {"from": "2026-01-01", "to": "2026-01-01"}


@pytest.mark.parametrize(
    ("job", "metadata", "expected"),
    [
        ("risk-snapshot-backfill", "{}", {"from": "2026-08-30", "to": "2026-09-05"}),
        ("risk-snapshot-backfill", json.dumps(A_DAY), A_DAY),
        ("risk-snapshot-backfill", A_DAY, A_DAY),
        ("outcome-sync", {}, {}),
    ],
)  # fmt: skip
async def test_a_trigger_names_the_days_of_its_tick_unless_a_person_names_others(
    job: str, metadata: dict[str, Any] | str, expected: dict[str, str]
) -> None:
    at = datetime(2026, 9, 6, 3, tzinfo=UTC)
    tick = Tick(
        flow_run_id="a-run",
        at=at,
        begun_at=at + DAY,
        newer=None,
        is_scheduled=True,
        schedule=SANTIAGO,
        days=await days_of_tick(SANTIAGO, at),
    )
    request = request_of(JOB_BY_ID[job], metadata, tick)
    assert (expected, "0 0 * * 0", at) == (
        request.metadata,
        request.schedule,
        request.scheduled_for,
    )
