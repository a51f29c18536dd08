"""The two ports as layers over another of their kind: what a layer does not override is handed on
as it is.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from blocks.contracts.records import Record
from blocks.ports import (
    NO_CONDITION,
    BunchHandler,
    Collector,
    Consumer,
    EventBus,
    Handler,
    Message,
    Page,
    Query,
    Queue,
    QueueView,
    RecordStore,
    SignalHandler,
    Stored,
    Subscriber,
    Where,
)

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class ForwardingEventBus:
    """An `EventBus` that hands everything on to the one below."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    async def _ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Every request that may be repeated passes here; each call of `request` makes it once."""
        return await request()

    async def declare(self, *queues: Queue) -> None:
        await self._ask(lambda: self._bus.declare(*queues))

    async def publish(self, *messages: Message, required: bool = False) -> None:
        await self._ask(lambda: self._bus.publish(*messages, required=required))

    async def deliver(self, queue: str, *messages: Message) -> None:
        await self._ask(lambda: self._bus.deliver(queue, *messages))

    def consume(
        self, queue: Queue, handler: Handler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        return self._bus.consume(queue, handler, concurrency=concurrency)

    def consume_together(
        self, queue: Queue, handler: BunchHandler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        return self._bus.consume_together(queue, handler, concurrency=concurrency)

    def collect(self, queue: Queue, collector: Collector) -> AbstractAsyncContextManager[Consumer]:
        return self._bus.collect(queue, collector)

    async def broadcast(self, topic: str, body: bytes) -> None:
        await self._bus.broadcast(topic, body)

    def listen(
        self, topic: str, handler: SignalHandler, *, group: str | None = None
    ) -> AbstractAsyncContextManager[None]:
        return self._bus.listen(topic, handler, group=group)

    def subscribe(
        self, patterns: Sequence[str], subscriber: Subscriber
    ) -> AbstractAsyncContextManager[None]:
        return self._bus.subscribe(patterns, subscriber)

    async def depth(self, queue: str) -> int:
        return await self._ask(lambda: self._bus.depth(queue))

    async def peek(self, queue: str, limit: int = 100) -> list[Message]:
        return await self._ask(lambda: self._bus.peek(queue, limit))

    async def inspect(self, queue: Queue) -> QueueView:
        return await self._ask(lambda: self._bus.inspect(queue))

    async def describe(self) -> str:
        return await self._ask(self._bus.describe)

    async def ping(self) -> None:
        await self._bus.ping()


class ForwardingRecordStore:
    """A `RecordStore` that hands everything on to the one below."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        """Every request passes here, with the name of its method; each call of `request` makes it
        once.
        """
        return await request()

    async def provision(self) -> None:
        await self._ask("provision", None, self._store.provision)

    async def create(self, tenant_id: str, record: R) -> Stored[R]:
        return await self._ask(
            "create", type(record), lambda: self._store.create(tenant_id, record)
        )

    async def create_all(self, tenant_id: str, records: Sequence[R]) -> list[Stored[R] | None]:
        kind = type(records[0]) if records else None
        return await self._ask(
            "create_all", kind, lambda: self._store.create_all(tenant_id, records)
        )

    async def read(self, tenant_id: str, kind: type[R], id: str) -> Stored[R]:
        return await self._ask("read", kind, lambda: self._store.read(tenant_id, kind, id))

    async def replace(self, tenant_id: str, etag: str, record: R) -> Stored[R]:
        return await self._ask(
            "replace", type(record), lambda: self._store.replace(tenant_id, etag, record)
        )

    async def replace_all(
        self, tenant_id: str, changed: Sequence[Stored[R]]
    ) -> list[Stored[R] | None]:
        kind = type(changed[0].record) if changed else None
        return await self._ask(
            "replace_all", kind, lambda: self._store.replace_all(tenant_id, changed)
        )

    async def delete(
        self, tenant_id: str, kind: type[R], id: str, *, etag: str | None = None
    ) -> None:
        await self._ask("delete", kind, lambda: self._store.delete(tenant_id, kind, id, etag=etag))

    async def query(self, tenant_id: str, query: Query[R]) -> Page[R]:
        return await self._ask("query", query.kind, lambda: self._store.query(tenant_id, query))

    async def count(self, tenant_id: str, kind: type[R], where: Where = NO_CONDITION) -> int:
        return await self._ask("count", kind, lambda: self._store.count(tenant_id, kind, where))

    async def older_tenants(self, container: str) -> list[str]:
        return await self._ask("query", None, lambda: self._store.older_tenants(container))

    async def older_documents(
        self, tenant_id: str, container: str, after: str = "", limit: int = 100
    ) -> list[dict[str, Any]]:
        return await self._ask(
            "query", None, lambda: self._store.older_documents(tenant_id, container, after, limit)
        )

    async def ping(self) -> None:
        await self._ask("ping", None, self._store.ping)
