"""What is known of a maintenance workflow before it runs."""

from datetime import timedelta

import msgspec

from blocks.contracts.schedules.ticks import Scheduled


class Step(msgspec.Struct, frozen=True):
    """A named part of an operation. `id` and `title` are those of the platform's contract."""

    id: str
    title: str
    limit_seconds: float = 30.0
    """So long one attempt may take."""


class Operation(Scheduled, frozen=True, kw_only=True):
    """One maintenance workflow. Its steps follow one another; after one that fails, the rest is
    skipped. A tick that comes while it is at work is dropped or waits, by `overlap`; what an event
    or a person starts waits.
    """

    title: str
    description: str
    cron: str | None = None
    """Its default schedule; None: only events and people start it."""
    events: tuple[str, ...] = ()
    """The event types that start it by default."""
    attempts: int = 1
    """Of each step."""
    backoff: timedelta = timedelta(0)
    """Before the second attempt; before the third twice as long, and so on."""
    steps: tuple[Step, ...]

    @property
    def retry_delays_seconds(self) -> list[float]:
        """Before the second attempt, the third, …"""
        return [self.backoff.total_seconds() * attempt for attempt in range(1, self.attempts)]

    @property
    def setting(self) -> str:
        """The key of its part in the section `operations` of the settings."""
        return self.id.replace("-", "_")

    def step(self, id: str) -> Step:
        """Raises `KeyError`: the flow and this table differ."""
        return {step.id: step for step in self.steps}[id]
