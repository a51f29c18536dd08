"""Queries that read through all pages."""

from collections.abc import AsyncIterator
from typing import TypeVar

from msgspec.structs import replace

from blocks.contracts import ids
from blocks.contracts.records import Record, TenantRecord
from blocks.ports import NO_CONDITION, Query, RecordStore, Stored, Where

R = TypeVar("R", bound=Record)

_PAGE = 500


async def every(
    store: RecordStore,
    tenant_id: str,
    kind: type[R],
    where: Where = NO_CONDITION,
    *,
    newest_first: bool = False,
) -> AsyncIterator[Stored[R]]:
    """Each record that matches, page by page, oldest first by default."""
    query = Query(kind, where, newest_first=newest_first, limit=_PAGE)
    while True:
        page = await store.query(tenant_id, query)
        for stored in page.items:
            yield stored
        if page.continuation is None:
            return
        query = replace(query, continuation=page.continuation)


async def tenants(store: RecordStore) -> list[str]:
    """Every tenant that ever had work here, from the directory that intake keeps."""
    return [stored.record.tenant async for stored in every(store, ids.SYSTEM_TENANT, TenantRecord)]
