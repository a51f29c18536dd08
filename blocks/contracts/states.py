"""Which status may follow which. What is terminal moves no more by itself; a retry begins another
life.
"""

from collections.abc import Mapping
from typing import Literal

ExecutionStatus = Literal[
    "pending",
    "running",
    "awaiting_approval",
    "waiting",
    "completed",
    "failed",
    "cancelled",
    "unreported",
]
"""`waiting`: nothing is to do until something from outside comes; no run holds it.
`unreported`: the work was requested, and its end was not reported in time.
"""

StepStatus = Literal["completed", "failed", "skipped"]
"""`skipped`: there was nothing to do, for the reason that is recorded."""
StepStanding = Literal["pending", "running", "completed", "failed", "skipped"]
"""As steps are shown, recorded or not. `skipped`, too: the execution ended before the step did."""
ApprovalStatus = Literal["pending", "approved", "rejected", "expired", "cancelled"]

TRANSITIONS: Mapping[ExecutionStatus, frozenset[ExecutionStatus]] = {
    "pending": frozenset({"running", "failed", "cancelled"}),
    "running": frozenset(
        {"awaiting_approval", "waiting", "completed", "failed", "cancelled", "unreported"}
    ),
    "awaiting_approval": frozenset({"running", "failed", "cancelled"}),
    "waiting": frozenset({"pending", "completed", "failed", "cancelled"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "unreported": frozenset(),
}

TERMINAL: tuple[ExecutionStatus, ...] = tuple(
    status for status, following in TRANSITIONS.items() if not following
)
RETRYABLE: tuple[ExecutionStatus, ...] = ("failed", "cancelled")
"""From here an execution may be retried, on request: it is pending once more."""

OPEN: tuple[ExecutionStatus, ...] = tuple(
    status for status in TRANSITIONS if status not in TERMINAL
)


class InvalidTransition(Exception):
    """The record is in a state that does not lead there; a terminal record leads nowhere."""

    def __init__(self, current: ExecutionStatus, wanted: ExecutionStatus) -> None:
        super().__init__(f"an execution that is {current} cannot become {wanted}")
        self.current = current
        self.wanted = wanted


def check_transition(current: ExecutionStatus, wanted: ExecutionStatus) -> None:
    """Raises `InvalidTransition` unless `wanted` may follow `current`."""
    if wanted not in TRANSITIONS[current]:
        raise InvalidTransition(current, wanted)
