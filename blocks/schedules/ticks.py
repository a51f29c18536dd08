"""The whole days that a tick of a schedule stands for.

A tick has two times: the nominal one, on the wall clock as the cron line writes it, and the moment
at which Prefect fires it. Where clocks change they differ: the tick of Sunday 00:00 fires on
Saturday 23:00 when summer time leaves out that hour. Nominal times depend on no zone and follow one
another, so the days between two of them belong to one tick.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from blocks.prefect_internals.cron import cron_reader

# The longest time that a zone has left out: Samoa had no 2011-12-30.
_GAP_MAX = timedelta(days=1)


class Schedule(msgspec.Struct, frozen=True):
    """A cron line with its time zone; `day_or`: Prefect's switch for day of month and of week."""

    cron: str
    timezone: str
    day_or: bool = True


class Days(msgspec.Struct, frozen=True):
    """Whole days, both included."""

    first: date
    last: date


async def days_of_tick(schedule: Schedule, fired_at: datetime) -> Days | None:
    """The days from the tick before, included, to this one, excluded; None: no day has begun
    between them.

    Consecutive ticks of a schedule name each day once. A moment that is no tick of it, because the
    schedule has changed since, names the days from the last tick on.
    """
    local = _on_the_wall(fired_at, schedule)
    nominal = await _nominal_times(schedule, fired_at, local) or [local]
    named = [days for days in (_days_until(schedule, time) for time in nominal) if days]
    # Prefect makes one run of two ticks that fire at one moment, and their days follow one another.
    return Days(named[0].first, named[-1].last) if named else None


async def days_of_last_tick(schedule: Schedule, at: datetime) -> Days:
    """The days of the last tick, at this moment or before, that names any: a run that a person
    starts repeats it.
    """
    local = _on_the_wall(at, schedule)
    fired = await _nominal_times(schedule, at, local)
    nominal = fired[-1] if fired else _tick_before(schedule, local)
    while (days := _days_until(schedule, nominal)) is None:
        nominal = _tick_before(schedule, nominal)
    return days


def over_at(day: date, timezone: str) -> datetime:
    """The moment at which the day has ended in this zone, in UTC."""
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(timezone))
    return midnight.astimezone(UTC)


def _on_the_wall(moment: datetime, schedule: Schedule) -> datetime:
    return moment.astimezone(ZoneInfo(schedule.timezone)).replace(tzinfo=None)


async def _nominal_times(schedule: Schedule, fired_at: datetime, local: datetime) -> list[datetime]:
    """The times on the wall clock that Prefect fires at this moment, oldest first."""
    reach = _GAP_MAX if _clocks_change_near(fired_at, schedule.timezone) else timedelta(0)
    return [
        nominal
        for nominal in _ticks_between(schedule, local - reach, local + reach)
        if (nominal == local or _is_left_out(nominal, schedule.timezone))
        and await _fires_at(nominal, schedule.timezone) == fired_at
    ]


async def _fires_at(nominal: datetime, timezone: str) -> datetime:
    """When Prefect fires this one time; for skipped local times that depends on its version."""
    from prefect.server.schemas.schedules import CronSchedule

    line = f"{nominal.minute} {nominal.hour} {nominal.day} {nominal.month} *"
    start = (nominal - 2 * _GAP_MAX).replace(tzinfo=UTC)
    # Not validated, which would list the whole IANA database, 40 ms a time: the zone is one that
    # Prefect fires in.
    [moment] = await CronSchedule.model_construct(
        cron=line, timezone=timezone, day_or=True
    ).get_dates(1, start)
    return moment.astimezone(UTC)


def _clocks_change_near(moment: datetime, timezone: str) -> bool:
    zone = ZoneInfo(timezone)
    before, after = (
        (moment + near).astimezone(zone).utcoffset() for near in (-2 * _GAP_MAX, 2 * _GAP_MAX)
    )
    return before != after


def _is_left_out(nominal: datetime, timezone: str) -> bool:
    there = nominal.replace(tzinfo=ZoneInfo(timezone))
    return there.astimezone(UTC).astimezone(there.tzinfo).replace(tzinfo=None) != nominal


def _days_until(schedule: Schedule, nominal: datetime) -> Days | None:
    first, last = _tick_before(schedule, nominal).date(), nominal.date() - timedelta(days=1)
    return Days(first, last) if first <= last else None


def _tick_before(schedule: Schedule, nominal: datetime) -> datetime:
    previous: datetime = _reader(schedule, nominal).get_prev(datetime)
    return previous


def _ticks_between(schedule: Schedule, first: datetime, last: datetime) -> Iterator[datetime]:
    reader = _reader(schedule, first - timedelta(seconds=1))
    while (nominal := reader.get_next(datetime)) <= last:
        yield nominal


def _reader(schedule: Schedule, start: datetime) -> Any:
    return cron_reader(schedule.cron, start, day_or=schedule.day_or)
