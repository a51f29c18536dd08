"""How the routes reach the records."""

from collections.abc import Mapping
from typing import Any, TypeVar

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from api.http.cursors import Cursors
from api.http.errors import InvalidRequest, Problem
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.records import Record
from blocks.ports import EventBus, FlowRuns, NotFound, Page, Query, RecordStore, Where
from blocks.settings import Settings

Store = SkipValidation[NamedDependency[RecordStore]]
"""The record store, as a route's argument; it lives as long as the server."""

Bus = SkipValidation[NamedDependency[EventBus]]
"""The event bus, likewise."""

Engine = SkipValidation[NamedDependency[FlowRuns]]
"""Prefect's flow runs, likewise."""

AllSettings = SkipValidation[NamedDependency[Settings]]
"""The settings of this process, likewise."""

R = TypeVar("R", bound=Record)


async def page_of(
    store: RecordStore,
    tenant_id: str,
    kind: type[R],
    where: Where,
    *,
    limit: int,
    continuation: str | None,
    also: Mapping[str, Any] = {},
    newest_first: bool = True,
) -> Page[R]:
    """A page of the tenant's records, newest first by default.

    `also` are the caller's conditions that the store does not know.

    Raises `InvalidRequest` for a continuation of another list or of other conditions.
    """
    if not newest_first:
        also = {**also, "order": "oldest"}
    cursors = Cursors(tenant_id, kind, where, also)
    try:
        place = cursors.place(continuation)
        query = Query(kind, where, newest_first=newest_first, limit=limit, continuation=place)
        page = await store.query(tenant_id, query)
    except ValueError:
        if continuation is None:
            raise
        message = "Not a continuation of this list with these filters"
        raise InvalidRequest(
            Problem(field="continuation", message=message, source="query")
        ) from None
    return Page(page.items, cursors.given(page.continuation))


async def find(
    store: RecordStore, tenant_id: str, kind: type[R], id: str, missing: type[NotFound]
) -> R:
    """The tenant's record. Raises `missing` for an unknown, malformed or another tenant's id."""
    known_id = canonical_uuid(id)
    if known_id is None:
        raise missing
    try:
        return (await store.read(tenant_id, kind, known_id)).record
    except NotFound:
        raise missing from None
