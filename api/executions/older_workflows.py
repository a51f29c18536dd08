"""Workflows of the older service beside ours, under the routes that its clients call."""

from collections.abc import Sequence

from blocks.contracts.older_service import OlderWorkflow
from blocks.contracts.reading.uuids import canonical_uuid, spellings
from blocks.contracts.records import ExecutionRecord
from blocks.migration.adopting import is_as_it_was
from blocks.ports import NotFound, Query, RecordStore

Listed = ExecutionRecord | OlderWorkflow


async def read_either(store: RecordStore, tenant_id: str, id: str) -> Listed:
    """The execution, or the older service's workflow if nothing has happened to it here.

    Raises `NotFound` for an unknown or malformed id.
    """
    known_id = canonical_uuid(id)
    if known_id is None:
        raise NotFound(id)
    try:
        execution = (await store.read(tenant_id, ExecutionRecord, known_id)).record
    except NotFound:
        return (await store.read(tenant_id, OlderWorkflow, known_id)).record
    if not is_as_it_was(execution):
        return execution
    try:
        return (await store.read(tenant_id, OlderWorkflow, known_id)).record
    except NotFound:  # someone has deleted the document
        return execution


async def add_older(
    store: RecordStore,
    tenant_id: str,
    opportunity_id: str,
    executions: Sequence[ExecutionRecord],
    limit: int,
) -> list[Listed]:
    """These executions and the older service's workflows of the opportunity, newest first; each
    workflow once.
    """
    where = {"opportunity_id": spellings(opportunity_id)}
    page = await store.query(tenant_id, Query(OlderWorkflow, where, limit=limit))
    ours = {one.id: one for one in executions}
    older = [
        stored.record
        for stored in page.items
        if stored.record.id not in ours or is_as_it_was(ours[stored.record.id])
    ]
    shown = {one.id for one in older}
    every: list[Listed] = [*(one for one in executions if one.id not in shown), *older]
    return sorted(every, key=lambda one: (one.created_at, one.id), reverse=True)[:limit]
