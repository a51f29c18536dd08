"""How the routes reach the records."""

from typing import TypeVar

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from api.errors import InvalidRequest, Problem
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.records import Record
from blocks.ports import EventBus, FlowRuns, NotFound, Page, RecordStore, Where

Store = SkipValidation[NamedDependency[RecordStore]]
"""The record store, as a route's argument; it lives as long as the server."""

Bus = SkipValidation[NamedDependency[EventBus]]
"""The event bus, likewise."""

Engine = SkipValidation[NamedDependency[FlowRuns]]
"""Prefect's flow runs, likewise."""

R = TypeVar("R", bound=Record)


async def page_of(
    store: RecordStore, tenant_id: str, kind: type[R], where: Where, *, limit: int, continuation: str | None
) -> Page[R]:
    """A page of the tenant's records, newest first. Raises `InvalidRequest` for a continuation of another list."""
    try:
        return await store.query(tenant_id, kind, where, limit=limit, continuation=continuation)
    except ValueError:
        if continuation is None:
            raise
        problem = Problem(field="continuation", message="Not a continuation of this list", source="query")
        raise InvalidRequest(problem) from None


async def find(store: RecordStore, tenant_id: str, kind: type[R], id: str, missing: type[NotFound]) -> R:
    """The tenant's record. Raises `missing` for an unknown id, another tenant's id, and what is no id at all."""
    known_id = canonical_uuid(id)
    if known_id is None:
        raise missing
    try:
        return (await store.read(tenant_id, kind, known_id)).record
    except NotFound:
        raise missing from None
