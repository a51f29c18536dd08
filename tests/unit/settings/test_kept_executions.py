"""Executions are kept for ever, or longer than anything here looks back at them."""

from datetime import timedelta

import pytest

from api.reconciler.kinds.ended_runs import _FIRST_LOOKBACK
from blocks.contracts.operations import OPERATIONS
from blocks.settings import BadSetting, load_settings
from blocks.settings.checks import EXECUTIONS_KEPT_DAYS_MIN


def kept_days(written: str) -> float:
    return load_settings({"EXECUTIONS_KEPT_DAYS": written}).executions.kept_days


def test_they_are_kept_for_ever_unless_set_otherwise() -> None:
    assert 0 == load_settings({}).executions.kept_days


@pytest.mark.parametrize("days", ["0", "32", "90", "365.5"])
def test_a_time_that_is_long_enough_is_taken(days: str) -> None:
    assert float(days) == kept_days(days)


@pytest.mark.parametrize("days", ["0.5", "7", "31.9"])
def test_a_shorter_one_is_refused_with_what_may_be_set(days: str) -> None:
    with pytest.raises(
        BadSetting,
        match=rf"executions.kept_days \(EXECUTIONS_KEPT_DAYS\) is {days}: use 32 or more .* or 0",
    ):
        kept_days(days)


@pytest.mark.parametrize("days", ["-1", "4000", "nan", "a year"])
def test_what_is_no_such_time_is_refused(days: str) -> None:
    with pytest.raises(BadSetting, match="EXECUTIONS_KEPT_DAYS"):
        kept_days(days)


def test_the_least_is_longer_than_what_is_looked_back_at() -> None:
    a_month_of_usage = timedelta(days=31)
    of_ticks = [operation.max_lateness for operation in OPERATIONS]

    least = timedelta(days=EXECUTIONS_KEPT_DAYS_MIN)

    assert least > max(_FIRST_LOOKBACK, a_month_of_usage, *of_ticks)
