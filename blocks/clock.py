"""The one place where this system reads the clock.

A moment that one machine writes is judged by another machine's clock: deadlines, heartbeats,
expiries. Each process therefore uses the clock of the server that all of them talk to
(`blocks/adapters/prefect/clock.py`), even if its own is wrong.
"""

from datetime import UTC, datetime, timedelta

TOLERANCE = timedelta(seconds=5)
"""Clocks this close count as the same: an HTTP date has whole seconds, and an answer takes its
time.
"""

_correction = timedelta()


def utc_now() -> datetime:
    return datetime.now(UTC) + _correction


def correction() -> timedelta:
    """How far ahead of this machine's own clock `utc_now` goes; nothing while they count as the
    same.
    """
    return _correction


def go_by(server_time: datetime) -> None:
    """From now on `utc_now` agrees with the clock that showed this time, within the tolerance."""
    global _correction
    if abs(server_time - utc_now()) > TOLERANCE:
        behind = server_time - datetime.now(UTC)
        _correction = behind if abs(behind) > TOLERANCE else timedelta()
