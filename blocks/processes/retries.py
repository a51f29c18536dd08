"""The attempts of one call of an outside service, with a wait between them that grows."""

from collections.abc import AsyncIterator
from functools import partial

import msgspec
import stamina
import stamina.instrumentation

# It logs a line of its own for each retry, with other words than ours, and counts it once more.
stamina.instrumentation.set_on_retry_hooks([])


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often one call asks, and how long it waits in between."""

    attempts: int = 3
    first_wait_seconds: float = 2.0
    """Doubled each time."""
    jitter_seconds: float = 1.0
    wait_seconds_max: float = 60.0
    """Who demands a longer delay is not asked again by this call."""


class AttemptFailed(Exception):
    """The other side did not do what it was asked. The base of what an attempt raises."""

    is_passing: bool = False
    """Whether the next attempt may succeed."""
    wait_seconds: float | None = None
    """The delay that the other side demands."""


def attempts(retries: Retries) -> AsyncIterator[stamina.Attempt]:
    """One after the other, each to be made in a `with`: the first that raises nothing is the last,
    and what the last one raises is raised. An error that is no passing `AttemptFailed` ends them.
    """
    return aiter(
        stamina.retry_context(
            on=partial(_is_worth_another, retries),
            attempts=retries.attempts,
            timeout=None,
            wait_initial=retries.first_wait_seconds,
            wait_max=retries.wait_seconds_max,
            wait_jitter=retries.jitter_seconds,
        )
    )


def _is_worth_another(retries: Retries, error: Exception) -> bool | float:
    """True: after a wait of ours; a number: after so many seconds."""
    if not isinstance(error, AttemptFailed) or not error.is_passing:
        return False
    if error.wait_seconds is None:
        return True
    if error.wait_seconds > retries.wait_seconds_max:
        return False
    return max(error.wait_seconds, retries.first_wait_seconds)
