"""What lies in the broker's queues, unacknowledged messages included: only the
broker itself reports.
"""

import asyncio
import time
from collections.abc import Sequence
from subprocess import SubprocessError

from tests.chaos.system import ChaosSystem

_LOOK_SECONDS = 1.0


class Unacknowledged:
    """Looks now and then for how long the intake queue has not been seen without unacknowledged
    messages.
    """

    def __init__(self, system: ChaosSystem) -> None:
        self._system = system
        self._last_seen_without = time.monotonic()
        self.longest_seconds = 0.0
        """No message was unacknowledged for longer than this."""

    async def watch(self) -> None:
        """Looks until cancelled."""
        while True:
            was_broken = self._system.broker_busy.locked()
            async with self._system.broker_busy:
                began = time.monotonic()
                if (
                    was_broken
                ):  # a broker that lost its connections has taken back what was unacknowledged
                    self._last_seen_without = began
                depths = await _depths(self._system)
            unacknowledged = (
                depths is not None
                and depths.get(self._system.settings.rabbitmq.queue, (0, 0))[1] > 0
            )
            self.longest_seconds = max(
                self.longest_seconds, time.monotonic() - self._last_seen_without
            )
            if not unacknowledged:
                self._last_seen_without = began
            await asyncio.sleep(_LOOK_SECONDS)


async def left_in(system: ChaosSystem, names: Sequence[str]) -> dict[str, int]:
    """Messages in these queues, whoever holds them."""
    depths = await _depths(system) or {}
    return {name: sum(depths.get(name, (0, 0))) for name in names}


async def _depths(system: ChaosSystem) -> dict[str, tuple[int, int]] | None:
    """Queue to messages that wait and messages that are unacknowledged; None if the broker did not
    answer.
    """
    try:
        return await asyncio.to_thread(system.broker.depths)
    except SubprocessError:
        return None
