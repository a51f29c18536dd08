"""The one place where this system looks at the clock.

What one machine writes, another judges by its own clock: deadlines, signs of life, expiries. Each process therefore
goes by the clock of the server that all of them talk to (`blocks/adapters/prefect/clock.py`), however wrong its own may
be.
"""

from datetime import UTC, datetime, timedelta

TOLERANCE = timedelta(seconds=5)
"""Clocks this close count as the same: an HTTP date has whole seconds, and an answer takes its time."""

_correction = timedelta()


def utc_now() -> datetime:
    return datetime.now(UTC) + _correction


def correction() -> timedelta:
    """How far ahead of this machine's own clock `utc_now` goes; nothing while they count as the same."""
    return _correction


def go_by(told: datetime) -> None:
    """From now on `utc_now` agrees with the clock that told this time just now, to within the tolerance."""
    global _correction
    if abs(told - utc_now()) > TOLERANCE:
        behind = told - datetime.now(UTC)
        _correction = behind if abs(behind) > TOLERANCE else timedelta()
