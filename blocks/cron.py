"""Cron lines of the settings: are they any, and when is the next time?

Prefect fires the schedules; this agrees with it except in the hour that a change to summer time leaves out, where it
names the first moment after the gap and Prefect one before it.
"""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

# What Prefect, node-cron and cronsim all read alike; L, W, # and ? mean something to one and nothing to the others.
_FIELD = re.compile(r"[\d*/,-]+|([a-zA-Z]{3}([,-][a-zA-Z]{3})*)")


def check_cron(line: str) -> None:
    """Raises `ValueError`, saying why, unless the line has five fields and can ever fire."""
    fields = line.split()
    if len(fields) != 5:
        raise ValueError("a cron line has five fields: minute, hour, day of month, month, day of week")
    odd = next((field for field in fields if not _FIELD.fullmatch(field)), None)
    if odd:
        raise ValueError(f"{odd!r} is not a cron field")
    try:
        next(CronSim(line, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(str(error).lower()) from None
    except StopIteration:
        raise ValueError("it never fires") from None


def check_timezone(name: str) -> None:
    """Raises `ValueError` unless this is a name of the IANA database."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("it is not an IANA time zone such as UTC or Europe/Berlin") from None


def next_time(line: str, timezone: str, after: datetime) -> datetime:
    """The first time after this moment at which the line fires, in UTC."""
    return next(CronSim(line, after.astimezone(ZoneInfo(timezone)))).astimezone(UTC)
