"""The seven phases of claim recovery, as the platform documents them.

Source of titles, order and limits: the platform's workflow contract. Phases 1 to 4 belong to a
sync of a user's data, phases 5 to 7 to one claim that the sync has found.
"""

from typing import Literal

import msgspec

WORKFLOW = "claim-recovery"

PhaseNumber = Literal[1, 2, 3, 4, 5, 6, 7]

PhaseStatus = Literal["requested", "running", "completed", "failed"]
"""`requested`: durable, and no worker has begun it. `failed`: its calls failed, retries included;
the same trigger, or a retry of the journey, requests it once more.
"""

TOTAL_STEPS = 7


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One phase: `name` in records, metrics and logs, `title` for people."""

    number: PhaseNumber
    title: str
    of_claim: bool
    """Whether it belongs to one claim; otherwise to the sync."""
    limit_seconds: float
    """Its service level: a phase that completes after more than this is a violation."""

    @property
    def name(self) -> str:
        return f"phase_{self.number}"

    @property
    def percent(self) -> int:
        """Of a journey whose furthest completed phase this is: 14, 29, 43, 57, 71, 86, 100."""
        return round(self.number / TOTAL_STEPS * 100)


PHASES: dict[int, Phase] = {
    phase.number: phase
    for phase in (
        Phase(
            number=1,
            title="Phase 1: Zero-Friction Onboarding",
            of_claim=False,
            limit_seconds=30,
        ),
        Phase(
            number=2,
            title="Phase 2: Autonomous Money Discovery",
            of_claim=False,
            limit_seconds=60,
        ),
        Phase(
            number=3,
            title="Phase 3: Intelligent Evidence Ecosystem",
            of_claim=False,
            limit_seconds=120,
        ),
        Phase(
            number=4,
            title="Phase 4: Predictive Refund Orchestration",
            of_claim=False,
            limit_seconds=90,
        ),
        Phase(
            number=5,
            title="Phase 5: Autonomous Recovery Pipeline",
            of_claim=True,
            limit_seconds=10,
        ),
        Phase(
            number=6,
            title="Phase 6: Continuous Learning Brain",
            of_claim=True,
            limit_seconds=15,
        ),
        Phase(
            number=7,
            title="Phase 7: Hyper-Transparency Layer",
            of_claim=True,
            limit_seconds=60,
        ),
    )
}
