"""A process goes by the clock it is given, unless its own is as good."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from blocks import clock


@pytest.fixture(autouse=True)
def own_clock() -> Iterator[None]:
    """Before and after, this process goes by its own."""
    clock.go_by(datetime.now(UTC))
    yield
    clock.go_by(datetime.now(UTC))


def error(of: datetime) -> timedelta:
    return abs(clock.utc_now() - of)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_wrong_is_corrected(minutes: int) -> None:
    server_time = datetime.now(UTC) + timedelta(minutes=minutes)

    clock.go_by(server_time)

    assert error(server_time) < timedelta(seconds=1)


@pytest.mark.parametrize("seconds", [-4, 0, 4])
def test_a_small_difference_is_no_fault_and_changes_nothing(seconds: int) -> None:
    clock.go_by(datetime.now(UTC) + timedelta(seconds=seconds))

    assert error(datetime.now(UTC)) < timedelta(seconds=1)


def test_a_clock_that_was_set_right_counts_again() -> None:
    clock.go_by(datetime.now(UTC) + timedelta(minutes=10))
    clock.go_by(datetime.now(UTC))

    assert error(datetime.now(UTC)) < timedelta(seconds=1)
