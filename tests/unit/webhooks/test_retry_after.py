"""`Retry-After` in both of its forms, and whatever else a receiver may send in its place."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.webhooks.retry_after import RETRY_AFTER_MAX_SECONDS, retry_after_seconds

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("007", 7.0),
        ("86401", RETRY_AFTER_MAX_SECONDS),
        ("9" * 5000, RETRY_AFTER_MAX_SECONDS),
        ("0" * 5000 + "3", 3.0),
        ("Mon, 02 Mar 2026 09:16:00 GMT", 60.0),
        ("Monday, 02-Mar-26 09:16:00 GMT", 60.0),
        ("Mon Mar  2 09:16:00 2026", 60.0),
        ("Mon, 02 Mar 2026 09:16:00 -0000", 60.0),
        ("Mon, 02 Mar 2026 09:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_SECONDS),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("soon", None),
        ("Mon, 99 Mar 2026 99:16:00 GMT", None),
    ],
)
def test_a_receiver_is_given_the_time_it_asks_for(
    header: str | None, seconds: float | None
) -> None:
    assert seconds == retry_after_seconds(header, NOW)


@given(
    st.text(max_size=60)
    | st.integers().map(str)
    | st.datetimes().map(lambda at: format_datetime(at))
)
def test_whatever_is_sent_is_a_bounded_time_or_none(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)

    assert seconds is None or 0 <= seconds <= RETRY_AFTER_MAX_SECONDS


@given(st.integers(0, 86_400))
def test_a_date_and_its_seconds_are_the_same(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry_after_seconds(str(seconds), NOW) == retry_after_seconds(date, NOW) == seconds
