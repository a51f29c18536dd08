"""How long one call to Cosmos DB may take, the SDK's own repetitions included; less, once the
account throttles it.

The SDK limits how long it repeats what is throttled; what a query needs, it repeats ten times as
long: its repetitions are themselves repeated (azure-cosmos 4.17.1,
`_fetch_items_helper_with_retries`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from http import HTTPStatus

from azure.core.pipeline import PipelineResponse

from blocks.adapters.cosmos.errors import retry_after_seconds
from blocks.ports import Throttled

CALL_SECONDS = 20.0

THROTTLED_SECONDS = 10.0
"""Retrying lasts this long from the first 429 on; then the caller gets the error."""


class _CallTime:
    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout
        self.retry_after_seconds: float | None = None
        """What the last 429 demanded; None as long as there was none."""

    def throttled(self, retry_after_seconds: float) -> None:
        if self.retry_after_seconds is None:
            end = asyncio.get_running_loop().time() + THROTTLED_SECONDS
            self._timeout.reschedule(min(end, self._timeout.when() or end))
        self.retry_after_seconds = retry_after_seconds


_current: ContextVar[_CallTime] = ContextVar("_current")


def look_at(answer: PipelineResponse) -> None:  # type: ignore[type-arg]  # of any transport
    """Records whether the present call was throttled; the client's `raw_response_hook`."""
    time = _current.get(None)
    if time and answer.http_response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        time.throttled(retry_after_seconds(answer.http_response.headers))


@asynccontextmanager
async def limited(about: str) -> AsyncIterator[None]:
    """The call has this much time. Raises `TimeoutError`, or `Throttled` if that is the reason."""
    try:
        async with asyncio.timeout(CALL_SECONDS) as timeout:
            time = _CallTime(timeout)
            outer = _current.set(time)
            try:
                yield
            finally:
                _current.reset(outer)
    except TimeoutError:
        if time.retry_after_seconds is None:
            raise
        raise Throttled(
            f"Cosmos DB is asked for more than it may do: {about}", time.retry_after_seconds
        ) from None
