"""When a delivery that failed is tried again: after delays that grow over hours, at random around
the schedule.
"""

import random
from collections.abc import Sequence

JITTER = 0.2
"""A delay is between 80 % and 120 % of the schedule's, so that what failed together does not come
back together.
"""


def delays_of(setting: str) -> tuple[float, ...]:
    """From the setting `webhooks.retry_delays_seconds`: seconds separated by commas."""
    return tuple(float(seconds) for seconds in setting.split(","))


def delay_after(
    attempt: int, delays: Sequence[float], retry_after_seconds: float | None = None
) -> float:
    """Seconds from the failure of this attempt (the first is 1) to the next.

    A delay that the receiver demands only lengthens ours, because attempts are few and must last a
    day.
    """
    scheduled = delays[min(attempt, len(delays)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    if retry_after_seconds is None:
        return scheduled
    return max(scheduled, later(retry_after_seconds))


def later(seconds: float) -> float:
    """With a jitter of up to 10 %, so that deliveries due at the same moment are spread out."""
    return seconds * random.uniform(1.0, 1.1)
