"""Ticks of schedules that come late, or while an earlier run is at work: what is done with them."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

Misfire = Literal["latest", "all", "skip"]
"""Of ticks that come late: `latest` runs the newest, `all` runs every one, `skip` runs none."""

Overlap = Literal["skip", "queue"]
"""While an earlier run is at work: `skip` drops the tick, `queue` holds it back."""


class Scheduled(msgspec.Struct, frozen=True, kw_only=True):
    """What has a schedule, with the rules for its ticks."""

    id: str
    misfire: Misfire
    max_lateness: timedelta
    """A tick that begins later than this is not run, under any rule."""
    overlap: Overlap


def stale_reason(
    scheduled: Scheduled,
    *,
    tick: datetime,
    begun_at: datetime,
    late_after: timedelta,
    newer_tick: datetime | None,
) -> str | None:
    """Why a tick that began at this moment is not run, or None if it is. `newer_tick`: one that is
    due, too.
    """
    lateness = begun_at - tick
    late = f"the tick of {tick:%Y-%m-%d %H:%M:%S} UTC came {_words(lateness)} late"
    if lateness <= late_after:
        return None
    if scheduled.misfire == "skip":
        return f"{late}: {scheduled.id} skips late ticks"
    if lateness > scheduled.max_lateness:
        return f"{late}: {scheduled.id} runs at most {_words(scheduled.max_lateness)} late"
    if scheduled.misfire == "latest" and newer_tick:
        return (
            f"{late}: {scheduled.id} runs only the latest of late ticks, and "
            f"{newer_tick:%Y-%m-%d %H:%M:%S} UTC is due"
        )
    return None


def _words(duration: timedelta) -> str:
    """`3 d`, `2 h 5 min`, `90 s`."""
    seconds = int(duration.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    days, minutes = seconds // 86400, seconds % 86400 // 60
    parts = ((days, "d"), (minutes // 60, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)
