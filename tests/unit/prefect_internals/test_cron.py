"""The cron reader of the fence is the one that Prefect's schedules fire by."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytz  # type: ignore[import-untyped]
from prefect.server.schemas import schedules

from blocks.prefect_internals.cron import cron_fields, cron_reader


def test_prefects_schedules_count_with_the_same_reader() -> None:
    reader = cron_reader("0 6 * * 1", datetime(2026, 1, 1), day_or=True)

    assert type(reader) is vars(schedules)["croniter"]


def test_prefects_schedules_take_their_time_zones_from_pytz() -> None:
    assert pytz is vars(schedules).get("pytz"), (
        "Prefect's scheduler has another source of time zones: see scheduler_knows and "
        "docs/prefect-upgrade.md"
    )


def test_a_line_is_read_field_by_field() -> None:
    assert [[0], [6, 18], ["*"], [1], [1]] == cron_fields("0 6,18 * jan mon")


def test_times_are_counted_in_both_directions_on_the_wall_clock() -> None:
    start = datetime(2026, 3, 29, 2, 30)  # left out in Berlin

    assert datetime(2026, 3, 29, 3) == cron_reader("0 3 * * *", start, day_or=True).get_next(
        datetime
    )
    assert datetime(2026, 3, 28, 3) == cron_reader("0 3 * * *", start, day_or=True).get_prev(
        datetime
    )


def test_day_or_says_whether_one_of_two_days_is_enough() -> None:
    line, start = "0 0 13 * 5", datetime(2026, 1, 1)

    assert datetime(2026, 1, 2) == cron_reader(line, start, day_or=True).get_next(datetime)
    assert datetime(2026, 2, 13) == cron_reader(line, start, day_or=False).get_next(datetime)


async def test_a_schedule_that_is_not_validated_fires_as_one_that_is() -> None:
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    options: dict[str, Any] = {"cron": "0 6 * * 1", "timezone": "Europe/Berlin", "day_or": True}
    validated = schedules.CronSchedule(**options)

    expected = await validated.get_dates(3, start)

    assert expected == await schedules.CronSchedule.model_construct(**options).get_dates(3, start)
