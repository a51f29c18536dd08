"""Moments as they come in: with any offset or none, and always aware and in UTC from there on."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

YEAR_MIN, YEAR_MAX = 1900, 2199
EARLIEST = datetime(YEAR_MIN, 1, 1, tzinfo=UTC)
LATEST = datetime(YEAR_MAX + 1, 1, 1, tzinfo=UTC)
"""What lies outside is refused: a little arithmetic with it would leave what a
`datetime` can hold.
"""

Moment = Annotated[datetime, msgspec.Meta(extra_json_schema={"format": "date-time"})]


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC; one without a time zone is in UTC. Raises `ValueError` outside of the
    years 1900 to 2199.
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # Aware moments compare without leaving the range; converting one of the first or last day
    # could.
    if not EARLIEST <= moment < LATEST:
        raise ValueError(f"{moment.isoformat()} is not between the years 1900 and 2199")
    return moment.astimezone(UTC)


def in_utc_within_limits(moment: datetime) -> datetime:
    """Likewise, for a bound of a search: what lies outside is moved to the limit, and finds the
    same.
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment, EARLIEST), LATEST - timedelta.resolution).astimezone(UTC)


def bound_of_search(stated: datetime | float) -> datetime:
    """Likewise; a number is of milliseconds since 1970, as JavaScript counts them. Raises
    `ValueError` for a number that is no moment.
    """
    if isinstance(stated, datetime):
        return in_utc_within_limits(stated)
    try:
        return in_utc_within_limits(datetime.fromtimestamp(stated / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{stated} milliseconds since 1970 are no moment") from None
