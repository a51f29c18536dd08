"""The bus and the store for work that must not fail because a part is away for a while: every call waits for it.

Flows use these. Intake does not (its messages wait on the broker), nor does the API (its callers are asked to come
back). A call whose answer was lost may be carried out twice, as with any caller that tries again: a create then raises
`AlreadyExists` and a replace `Stale`, which is nothing new to whoever computes ids and reads again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from blocks.contracts.records import Record
from blocks.ports import (
    Collector,
    Consumer,
    EventBus,
    Handler,
    Hearer,
    Message,
    Page,
    Queue,
    QueueView,
    RecordStore,
    SignalHandler,
    Stored,
    Unavailable,
    Where,
)

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R", bound=Record)

PATIENCE_SECONDS = 300.0
"""How long one call waits before it raises `Unavailable` after all."""

_PAUSE_FIRST_SECONDS = 0.5
_PAUSE_MAX_SECONDS = 5.0


class Patience:
    """Repeats what raises `Unavailable`; of an outage it tells the beginning and the end, whoever waits meanwhile."""

    def __init__(self, part: str, limit_seconds: float) -> None:
        self._part = part
        self._limit_seconds = limit_seconds
        self._is_away = False

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What the attempt returns once the part is there; its last `Unavailable` when the limit has passed."""
        loop, pause = asyncio.get_running_loop(), _PAUSE_FIRST_SECONDS
        deadline = loop.time() + self._limit_seconds
        while True:
            try:
                result = await attempt()
            except Unavailable as error:
                if loop.time() + pause > deadline:
                    raise
                self._tell(is_away=True, why=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _PAUSE_MAX_SECONDS)
            else:
                self._tell(is_away=False)
                return result

    def _tell(self, *, is_away: bool, why: str = "") -> None:
        if is_away and not self._is_away:
            log.warning("waiting for %s: %s", self._part, why)
        elif self._is_away and not is_away:
            log.info("%s is there again", self._part)
        self._is_away = is_away


class PatientEventBus:
    """An `EventBus` whose publishes wait for the broker, with the same ids however often they are tried."""

    def __init__(self, bus: EventBus, limit_seconds: float = PATIENCE_SECONDS) -> None:
        self._bus = bus
        self._patience = Patience("the broker", limit_seconds)

    async def declare(self, *queues: Queue) -> None:
        await self._patience.call(lambda: self._bus.declare(*queues))

    async def publish(self, *messages: Message, required: bool = False) -> None:
        await self._patience.call(lambda: self._bus.publish(*messages, required=required))

    def consume(
        self, queue: Queue, handler: Handler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        return self._bus.consume(queue, handler, concurrency=concurrency)

    def collect(self, queue: Queue, collector: Collector) -> AbstractAsyncContextManager[Consumer]:
        return self._bus.collect(queue, collector)

    async def deliver(self, queue: str, *messages: Message) -> None:
        await self._patience.call(lambda: self._bus.deliver(queue, *messages))

    async def broadcast(self, topic: str, body: bytes) -> None:
        await self._bus.broadcast(topic, body)

    def listen(self, topic: str, handler: SignalHandler) -> AbstractAsyncContextManager[None]:
        return self._bus.listen(topic, handler)

    def overhear(self, patterns: Sequence[str], hearer: Hearer) -> AbstractAsyncContextManager[None]:
        return self._bus.overhear(patterns, hearer)

    async def depth(self, queue: str) -> int:
        return await self._patience.call(lambda: self._bus.depth(queue))

    async def peek(self, queue: str, limit: int = 100) -> list[Message]:
        return await self._patience.call(lambda: self._bus.peek(queue, limit))

    async def inspect(self, queue: Queue) -> QueueView:
        return await self._patience.call(lambda: self._bus.inspect(queue))

    async def describe(self) -> str:
        return await self._patience.call(self._bus.describe)

    async def ping(self) -> None:
        await self._bus.ping()


class PatientRecordStore:
    """A `RecordStore` whose calls wait for the store."""

    def __init__(self, store: RecordStore, limit_seconds: float = PATIENCE_SECONDS) -> None:
        self._store = store
        self._patience = Patience("the record store", limit_seconds)

    async def provision(self) -> None:
        await self._patience.call(self._store.provision)

    async def create(self, tenant_id: str, record: R) -> Stored[R]:
        return await self._patience.call(lambda: self._store.create(tenant_id, record))

    async def read(self, tenant_id: str, kind: type[R], id: str) -> Stored[R]:
        return await self._patience.call(lambda: self._store.read(tenant_id, kind, id))

    async def replace(self, tenant_id: str, etag: str, record: R) -> Stored[R]:
        return await self._patience.call(lambda: self._store.replace(tenant_id, etag, record))

    async def delete(self, tenant_id: str, kind: type[R], id: str) -> None:
        await self._patience.call(lambda: self._store.delete(tenant_id, kind, id))

    async def query(
        self,
        tenant_id: str,
        kind: type[R],
        where: Where | None = None,
        *,
        newest_first: bool = True,
        limit: int = 100,
        continuation: str | None = None,
    ) -> Page[R]:
        return await self._patience.call(
            lambda: self._store.query(
                tenant_id, kind, where, newest_first=newest_first, limit=limit, continuation=continuation
            )
        )

    async def count(self, tenant_id: str, kind: type[R], where: Where | None = None) -> int:
        return await self._patience.call(lambda: self._store.count(tenant_id, kind, where))

    async def ping(self) -> None:
        await self._store.ping()
