"""Which claim services are not asked for a while, because they failed again and again.

A circuit opens after failed calls in a row, each with its retries. Of one user only the first
counts, unless nothing listened at all: a service that fails for one user stays open to the others.
While it is open, calls fail at once; then calls go through again, and the first that fails opens
it again.
"""

import logging

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from purgatory.service._async.circuitbreaker import AsyncCircuitBreaker

from blocks.claims.asking.failed import Service, ServiceFailed

log = logging.getLogger(__name__)

FAILURES = 5
OPEN_SECONDS = 30.0


class Circuits:
    """A circuit for each address; lives as long as its process, in memory."""

    def __init__(self, *, failures: int = FAILURES, open_seconds: float = OPEN_SECONDS) -> None:
        self._breakers = AsyncCircuitBreakerFactory(failures, open_seconds)
        self._failing: dict[str, set[str]] = {}
        """Users whose failures have counted since the last success."""
        self._open_seconds = open_seconds

    async def check(self, service: Service, url: str) -> None:
        """A call may go out. Raises `ServiceFailed` (`circuit-open`)."""
        breaker = await self._breakers.get_breaker(url)
        try:
            await breaker.__aenter__()
        except OpenedState as opened:
            # One object is raised at every call: its traceback would grow until the circuit closes.
            opened.__traceback__ = None
            raise ServiceFailed(
                service,
                "circuit-open",
                f"the {service} service has failed repeatedly and is not asked for up to "
                f"{self._open_seconds:g} s",
            ) from None

    async def succeeded(self, url: str) -> None:
        """It answered as a working service does."""
        self._failing.pop(url, None)
        breaker = await self._breakers.get_breaker(url)
        await breaker.__aexit__(None, None, None)

    async def failed(self, url: str, user_id: str, failure: ServiceFailed) -> None:
        """A call of this user has failed, its retries included."""
        failing = self._failing.setdefault(url, set())
        if user_id in failing and not failure.is_unreachable:
            return
        failing.add(user_id)
        breaker = await self._breakers.get_breaker(url)
        was_open = _is_open(breaker)
        await breaker.__aexit__(type(failure), failure, None)
        if _is_open(breaker):
            del self._failing[url]
            if not was_open:
                log.warning(
                    "the %s service is not asked for %g s: %s",
                    failure.service,
                    self._open_seconds,
                    failure.reason,
                )


def _is_open(breaker: AsyncCircuitBreaker) -> bool:
    return bool(breaker.context.state == OpenedState.name)


OF_PROCESS = Circuits()
"""What one flow run has learned about a service, the next one need not."""
