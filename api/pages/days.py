"""Days of forms and addresses; a day is one of UTC."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from api.http.errors import InvalidRequest, Problem
from blocks.contracts.reading.moments import in_utc


def day_of(field: str, stated: str, source: Literal["query", "body"] = "query") -> datetime | None:
    """When the day begins; None: it is empty.

    Raises `InvalidRequest`, also for the last day of all, which no other follows.
    """
    if not stated:
        return None
    try:
        begins = in_utc(datetime.combine(date.fromisoformat(stated), time(), UTC))
        in_utc(begins + timedelta(days=1))
    except ValueError:
        raise InvalidRequest(
            Problem(field=field, message="must be a day, as 2026-03-02", source=source)
        ) from None
    return begins
