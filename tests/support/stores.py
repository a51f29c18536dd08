"""Record stores that do not work, or work unevenly, records that cannot be read, and pages."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from blocks.adapters.cosmos.record_store import CosmosRecordStore
from blocks.adapters.forwarding import ForwardingRecordStore
from blocks.adapters.record_rules import tag
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts.records import Record
from blocks.ports import Page, Query, RecordStore, Stored
from tests.support.factories import new_id

T = TypeVar("T")


class FailingStore:
    """Raises the given error whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def provision(self) -> None:
        raise self._error

    async def create(self, *_: Any) -> Stored[Any]:
        raise self._error

    async def create_all(self, *_: Any) -> list[Stored[Any] | None]:
        raise self._error

    async def read(self, *_: Any) -> Stored[Any]:
        raise self._error

    async def replace(self, *_: Any) -> Stored[Any]:
        raise self._error

    async def replace_all(self, *_: Any) -> list[Stored[Any] | None]:
        raise self._error

    async def delete(self, *_: Any, **__: Any) -> None:
        raise self._error

    async def query(self, *_: Any, **__: Any) -> Page[Any]:
        raise self._error

    async def count(self, *_: Any) -> int:
        raise self._error

    async def older_tenants(self, *_: Any) -> list[str]:
        raise self._error

    async def older_documents(self, *_: Any) -> list[dict[str, Any]]:
        raise self._error

    async def ping(self) -> None:
        raise self._error


class Uneven(ForwardingRecordStore):
    """Some calls take longer than others: what was begun first is not written first."""

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        await asyncio.sleep(random.choice((0, 0, 0, 0.1)))
        return await request()


class Meanwhile(ForwardingRecordStore):
    """Once, just after the first request of this method for this kind, something else happens."""

    def __init__(
        self,
        store: RecordStore,
        operation: str,
        kind: type[Record],
        event: Callable[[], Awaitable[object]],
    ) -> None:
        super().__init__(store)
        self._point = operation, kind
        self._due = [event]

    async def _ask(
        self, operation: str, kind: type[Record] | None, request: Callable[[], Awaitable[T]]
    ) -> T:
        answer = await request()
        if (operation, kind) == self._point and self._due:
            await self._due.pop()()
        return answer


async def put_unreadable(
    store: RecordStore,
    kind: type[Record],
    tenant_id: str,
    *,
    id: str | None = None,
    created_at: str = "2020-01-01T00:00:00.000000+00:00",
    **fields: Any,
) -> str:
    """The id of a record of this kind that has these JSON fields and lacks all others; it takes the
    place of the one that had this id.
    """
    while isinstance(store, ForwardingRecordStore):
        store = store._store
    document = {"id": (id := id or new_id()), "tenantId": tenant_id, "kind": tag(kind), **fields}
    key = f"{created_at} {id}"
    if isinstance(store, CosmosRecordStore):
        async with store._call(tag(kind)):
            await store._containers[kind.container].upsert_item({**document, "sortKey": key})
        return id
    assert isinstance(store, SqliteRecordStore)
    row = (tenant_id, id, tag(kind), new_id(), key, msgspec.json.encode(document).decode())
    insert = f"INSERT OR REPLACE INTO {kind.container} VALUES (?, ?, ?, ?, ?, ?)"
    await store._file.run(lambda connection: connection.execute(insert, row))
    return id


async def ids_page_by_page(store: RecordStore, tenant_id: str, query: Query[Any]) -> list[str]:
    """The ids of all that it finds, in pages of its limit."""
    found: list[str] = []
    while True:
        page = await store.query(tenant_id, query)
        found += [stored.record.id for stored in page.items]
        if page.continuation is None:
            return found
        query = replace(query, continuation=page.continuation)
