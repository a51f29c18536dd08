"""Bus and store that retry while a part is unavailable, for work that must not fail because of it.

Flows use these. Intake does not (its messages wait on the broker), nor does the API (its callers
are asked to retry). A call whose answer was lost may be carried out twice, as with any caller that
retries: a create then raises `AlreadyExists` and a replace `Stale`, which callers that compute ids
and read again handle anyway.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from blocks.adapters.forwarding import ForwardingEventBus, ForwardingRecordStore
from blocks.contracts.records import Record
from blocks.ports import DeclaredOtherwise, EventBus, RecordStore, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_SECONDS = 300.0
"""How long one call waits before it raises `Unavailable` after all."""

_PAUSE_FIRST_SECONDS = 0.5
_PAUSE_MAX_SECONDS = 5.0


class Patience:
    """Repeats what raises `Unavailable`; logs an outage's start and end once for all callers."""

    def __init__(self, part: str, limit_seconds: float) -> None:
        self._part = part
        self._limit_seconds = limit_seconds
        self._is_away = False

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What the attempt returns once the part is there; its last `Unavailable` when the limit
        has passed. `DeclaredOtherwise` is not waited out.
        """
        loop, pause = asyncio.get_running_loop(), _PAUSE_FIRST_SECONDS
        deadline = loop.time() + self._limit_seconds
        while True:
            try:
                result = await attempt()
            except DeclaredOtherwise:
                raise
            except Unavailable as error:
                if loop.time() + pause > deadline:
                    raise
                self._log_change(is_away=True, why=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _PAUSE_MAX_SECONDS)
            else:
                self._log_change(is_away=False)
                return result

    def _log_change(self, *, is_away: bool, why: str = "") -> None:
        if is_away and not self._is_away:
            log.warning("waiting for %s: %s", self._part, why)
        elif self._is_away and not is_away:
            log.info("%s is there again", self._part)
        self._is_away = is_away


class RetryingEventBus(ForwardingEventBus):
    """An `EventBus` whose publishes wait for the broker, with the same ids however often they are
    tried.
    """

    def __init__(self, bus: EventBus, limit_seconds: float = PATIENCE_SECONDS) -> None:
        super().__init__(bus)
        self._patience = Patience("the broker", limit_seconds)

    async def _ask(self, request: Callable[[], Awaitable[T]]) -> T:
        return await self._patience.call(request)


class RetryingRecordStore(ForwardingRecordStore):
    """A `RecordStore` whose calls wait for the store; only a ping reports its present state."""

    def __init__(self, store: RecordStore, limit_seconds: float = PATIENCE_SECONDS) -> None:
        super().__init__(store)
        self._patience = Patience("the record store", limit_seconds)

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        return await self._patience.call(request)

    async def ping(self) -> None:
        await self._store.ping()
