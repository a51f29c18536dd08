"""Cron lines of the settings: what they may be, and when Prefect fires them next.

Prefect fires the schedules, so every time comes from its own library. A line that Prefect and the
cron daemon of Debian (which `cronsim` follows) read differently is refused, because its meaning is
ambiguous.
"""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim, CronSimError

from blocks.prefect_internals.cron import cron_fields, cron_reader, scheduler_knows

# L, W, # and ? mean something to one reader and nothing to others.
_FIELD = re.compile(r"[\d*/,-]+|([a-zA-Z]{3}([,-][a-zA-Z]{3})*)")

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")

_ALL = (range(60), range(24), range(1, 32), range(1, 13), range(7))


class _Reading(msgspec.Struct, frozen=True):
    """The minutes, hours and months at which a line fires, and the days as pairs of day of month
    and day of week.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    days: frozenset[tuple[int, int]]


def check_cron(line: str) -> None:
    """Raises `ValueError` with reason and remedy, unless the line fires and has one reading."""
    fields = line.split()
    if len(fields) != 5:
        raise ValueError(
            "a cron line has five fields: minute, hour, day of month, month, day of week"
        )
    odd = next((field for field in fields if not _FIELD.fullmatch(field)), None)
    if odd:
        raise ValueError(f"{odd!r} is not a cron field")
    try:
        by_debian = _read_by_debian(line)
        next(CronSim(line, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(str(error).lower()) from None
    except StopIteration:
        raise ValueError("it never fires") from None
    _check_agreement(fields, by_debian, _read_by_prefect(line))
    _check_ends_of_months(fields, by_debian)


def check_timezone(name: str) -> None:
    """Raises `ValueError` unless both the IANA database and Prefect's scheduler have this name."""
    try:
        ZoneInfo(name)
        known = scheduler_knows(name)
    except (KeyError, ValueError, OSError):
        known = False
    if not known:
        raise ValueError("it is not an IANA time zone such as UTC or Europe/Berlin")


async def next_time(line: str, timezone: str, after: datetime) -> datetime:
    """The first time after this moment at which Prefect fires the line, in UTC."""
    from prefect.server.schemas.schedules import CronSchedule

    # Validation lists the whole IANA database, 40 ms a time; the settings have been checked.
    schedule = CronSchedule.model_construct(cron=line, timezone=timezone, day_or=True)
    # Where clocks leave out an hour, the first times may lie before the start: that of 00:30 fires
    # at 23:30.
    count = 1
    while True:
        count *= 4
        fired = await schedule.get_dates(count, after + timedelta(microseconds=1))
        later = [moment for moment in fired if moment > after]
        if later:
            # Prefect's are of a class of their own
            return datetime.fromtimestamp(later[0].timestamp(), UTC)


def _read_by_debian(line: str) -> _Reading:
    read = CronSim(line, datetime(2026, 1, 1))
    weekdays = {int(day) % 7 for day in read.weekdays if isinstance(day, int)}
    return _reading(
        read.minutes, read.hours, read.days, read.months, weekdays, both_days=read.day_and
    )


def _read_by_prefect(line: str) -> _Reading:
    try:
        fields = cron_fields(line)
    except (ValueError, KeyError) as error:  # the errors of croniter are ValueErrors
        raise ValueError(f"Prefect does not read it: {error}") from None
    values = [
        set(all_) if "*" in field else set(field) for field, all_ in zip(fields, _ALL, strict=True)
    ]
    both_days = fields[2][0] == "*" or fields[4][0] == "*"
    return _reading(*values, both_days=both_days)


def _reading(
    minutes: Collection[int],
    hours: Collection[int],
    days: Collection[int],
    months: Collection[int],
    weekdays: Collection[int],
    *,
    both_days: bool,
) -> _Reading:
    """`both_days`: a date must match day of month and day of week; else either is enough."""
    fires = (
        (day, weekday)
        for day in _ALL[2]
        for weekday in _ALL[4]
        if (
            (day in days and weekday in weekdays)
            if both_days
            else (day in days or weekday in weekdays)
        )
    )
    return _Reading(frozenset(minutes), frozenset(hours), frozenset(months), frozenset(fires))


_FOUR_YEARS = (datetime(2024, 1, 1), datetime(2028, 1, 1))
"""With a February of each length."""


def _check_ends_of_months(fields: list[str], read: _Reading) -> None:
    """croniter, with which Prefect reads, passes over the first days of March for lines such as `0
    0 1,31 * *`.
    """
    if fields[2] == "*" or not any(day > 28 for day, _ in read.days):
        return
    days = " ".join(("0 0", *fields[2:]))
    if left_out := sorted({*_fired_by_debian(days)} ^ {*_fired_by_prefect(days)}):
        raise ValueError(
            f"cron and Prefect differ over {fields[2]!r} as day of month, as on "
            f"{left_out[0]:%Y-%m-%d}: use days up to 28, or a schedule for each day"
        )


def _fired_by_debian(line: str) -> Iterator[datetime]:
    start, end = _FOUR_YEARS
    return takewhile(lambda moment: moment < end, CronSim(line, start))


def _fired_by_prefect(line: str) -> Iterator[datetime]:
    start, end = _FOUR_YEARS
    moments = cron_reader(line, start, day_or=True)
    return takewhile(lambda moment: moment < end, iter(partial(moments.get_next, datetime), None))


def _check_agreement(fields: list[str], ours: _Reading, prefects: _Reading) -> None:
    for index, name in ((0, "minutes"), (1, "hours"), (3, "months")):
        values: frozenset[int] = getattr(ours, name)
        if values != getattr(prefects, name):
            written = ",".join(map(str, sorted(values)))
            raise ValueError(
                f"{fields[index]!r} as {_FIELDS[index]} is read in two ways: write {written}"
            )
    if ours.days != prefects.days:
        raise ValueError(
            f"day of month {fields[2]!r} with day of week {fields[4]!r} is read in two ways, as "
            f"both or as either: write {_either(fields)!r} for either, or leave one of the two *"
        )


def _either(fields: list[str]) -> str:
    """The same line with the steps over all days written as ranges, which every reader takes for
    either.
    """
    minute, hour, day, month, weekday = fields
    return " ".join([minute, hour, day.replace("*", "1-31"), month, weekday.replace("*", "0-6")])
