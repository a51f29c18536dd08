"""The cron reader inside Prefect. Nothing public says how Prefect reads a line, only
when it fires.
"""

from datetime import datetime
from typing import Any


def cron_fields(line: str) -> list[list[Any]]:
    """The values of the five fields as Prefect reads them, "*" for all; raises `ValueError` or
    `KeyError`.

    Assumed: Prefect's schedules read lines with this vendored croniter, and its `expanded` holds
    the fields. `CronSchedule.get_dates` gives times only, of which a difference in reading shows
    years later.
    """
    from prefect._vendor.croniter.croniter import croniter

    fields: list[list[Any]] = croniter(line).expanded  # type: ignore[no-untyped-call]
    return fields


def cron_reader(line: str, start: datetime, *, day_or: bool) -> Any:
    """Iterates over the nominal times of a line: `get_prev(datetime)` and `get_next(datetime)`.

    Assumed: the same croniter, on naive times, goes in both directions. `CronSchedule.get_dates`
    goes forward only.
    """
    from prefect._vendor.croniter.croniter import croniter

    return croniter(line, start, day_or=day_or)  # type: ignore[no-untyped-call]


def scheduler_knows(timezone: str) -> bool:
    """Whether Prefect's scheduler has a time zone of exactly this name. Raises `KeyError` if of no
    spelling.

    Assumed: it takes its zones from pytz. Validating a `CronSchedule` also accepts zones of which
    only `zoneinfo` knows, and in these the scheduler fails at each look.
    """
    import pytz  # type: ignore[import-untyped]

    return bool(pytz.timezone(timezone).zone == timezone)
