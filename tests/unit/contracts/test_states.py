"""The state machine: what may follow what, and that an end is an end."""

from typing import get_args

import pytest

from blocks.contracts.states import (
    OPEN,
    TERMINAL,
    TRANSITIONS,
    ExecutionStatus,
    InvalidTransition,
    check_transition,
)

STATUSES: tuple[ExecutionStatus, ...] = get_args(ExecutionStatus)


def test_every_status_is_in_the_table() -> None:
    assert set(STATUSES) == set(TRANSITIONS)


@pytest.mark.parametrize("status", TERMINAL)
@pytest.mark.parametrize("wanted", STATUSES)
def test_terminal_states_never_change(status: ExecutionStatus, wanted: ExecutionStatus) -> None:
    with pytest.raises(InvalidTransition, match=f"{status} cannot become {wanted}"):
        check_transition(status, wanted)


@pytest.mark.parametrize("status", OPEN)
def test_every_open_execution_can_be_cancelled_and_can_fail(status: ExecutionStatus) -> None:
    check_transition(status, "cancelled")
    check_transition(status, "failed")


def test_a_gated_execution_goes_on_only_through_running() -> None:
    check_transition("awaiting_approval", "running")
    with pytest.raises(InvalidTransition):
        check_transition("awaiting_approval", "completed")
