"""The header `Retry-After` of an answer: seconds, or a date (RFC 9110, 10.2.3)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX_SECONDS = 24 * 3600.0
"""A receiver that demands a longer delay is retried after this."""

_SECONDS = re.compile(r"[0-9]+")


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """The delay the receiver demands, at most `RETRY_AFTER_MAX_SECONDS`; None: unreadable."""
    text = (header or "").strip()
    wanted = _seconds(text) if _SECONDS.fullmatch(text) else _until(text, now)
    return None if wanted is None else min(max(wanted, 0.0), RETRY_AFTER_MAX_SECONDS)


def _seconds(digits: str) -> float:
    significant = digits.lstrip("0")
    # Python refuses to read thousands of digits as a number.
    return float(significant or 0) if len(significant) < 10 else RETRY_AFTER_MAX_SECONDS


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        # A date of the zone "-0000" is naive for Python, and HTTP knows no zone but GMT.
        return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
