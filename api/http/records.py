"""How the routes reach the records."""

from typing import TypeVar

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.records import Record
from blocks.ports import EventBus, FlowRuns, NotFound, RecordStore, Stored
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


async def find(
    store: RecordStore, tenant_id: str, kind: type[R], id: str, missing: type[NotFound]
) -> R:
    """The tenant's record. Raises `missing` for an unknown, malformed or another tenant's id."""
    return (await find_stored(store, tenant_id, kind, id, missing)).record


async def find_stored(
    store: RecordStore, tenant_id: str, kind: type[R], id: str, missing: type[NotFound]
) -> Stored[R]:
    """Likewise, with the store's ETag, under which it is changed."""
    known_id = canonical_uuid(id)
    if known_id is None:
        raise missing
    try:
        return await store.read(tenant_id, kind, known_id)
    except NotFound:
        raise missing from None
