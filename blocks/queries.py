"""Queries that read through all pages, at once or a page at a time."""

from collections.abc import AsyncIterator, Collection
from typing import Generic, TypeVar

from msgspec.structs import replace

from blocks.contracts import ids
from blocks.contracts.records import Record, TenantRecord
from blocks.ports import (
    NO_CONDITION,
    NotFound,
    Query,
    RecordStore,
    Stored,
    UnreadableRecord,
    Where,
)

R = TypeVar("R", bound=Record)

_PAGE = 500


async def every(
    store: RecordStore,
    tenant_id: str,
    kind: type[R],
    where: Where = NO_CONDITION,
    *,
    newest_first: bool = False,
    skips_unreadable: bool = False,
) -> AsyncIterator[Stored[R]]:
    """Each record that matches, page by page, oldest first by default. Raises `UnreadableRecord`
    unless it skips them; see `Query`.
    """
    query = Query(
        kind, where, newest_first=newest_first, limit=_PAGE, skips_unreadable=skips_unreadable
    )
    while True:
        page = await store.query(tenant_id, query)
        for stored in page.items:
            yield stored
        if page.continuation is None:
            return
        query = replace(query, continuation=page.continuation)


async def those(
    store: RecordStore,
    tenant_id: str,
    kind: type[R],
    ids: Collection[str],
    *,
    skips_unreadable: bool = False,
) -> dict[str, Stored[R]]:
    """The tenant's records of these ids, as far as there are such, by id; in one request."""
    if not ids:
        return {}
    if len(ids) == 1:  # a read by id costs Cosmos DB less than a query
        [id] = ids
        try:
            return {id: await store.read(tenant_id, kind, id)}
        except NotFound:
            return {}
        except UnreadableRecord:
            if skips_unreadable:
                return {}
            raise
    of_ids = {"id": tuple(ids)}
    found = every(store, tenant_id, kind, of_ids, skips_unreadable=skips_unreadable)
    return {stored.record.id: stored async for stored in found}


class PageAtATime(Generic[R]):
    """Goes through the matching records of each tenant, oldest first, a page a call, and after the
    last one from the start: bounded, and none is left out however many match before it, but for
    those that cannot be read.
    """

    def __init__(self, kind: type[R], *, limit: int) -> None:
        self._kind, self._limit = kind, limit
        self._places: dict[str, str] = {}

    def has_more(self, tenant_id: str) -> bool:
        """Whether pages of this tenant follow the one before."""
        return tenant_id in self._places

    async def next(self, store: RecordStore, tenant_id: str, where: Where) -> list[Stored[R]]:
        """The tenant's next page. `where` may change from call to call."""
        query = Query(
            self._kind,
            where,
            newest_first=False,
            limit=self._limit,
            continuation=self._places.pop(tenant_id, None),
            skips_unreadable=True,
        )
        page = await store.query(tenant_id, query)
        if page.continuation is not None:
            self._places[tenant_id] = page.continuation
        return page.items


async def all_tenants(store: RecordStore) -> set[str]:
    """Those of `tenants`, and the platform itself."""
    return {*await tenants(store), ids.SYSTEM_TENANT}


async def tenants(store: RecordStore) -> list[str]:
    """Every tenant that ever had work here, from the directory that intake keeps."""
    found = every(store, ids.SYSTEM_TENANT, TenantRecord, skips_unreadable=True)
    return [stored.record.tenant async for stored in found]
