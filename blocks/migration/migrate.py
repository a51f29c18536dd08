"""All documents of the older service, tenant by tenant and page by page."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from blocks.adapters.record_rules import check_size
from blocks.clock import utc_now
from blocks.contracts.older_service import OLDER_FORMS, OlderWorkflow, Unreadable
from blocks.contracts.reading.uuids import canonical_uuid
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.base import OLDER_SERVICE
from blocks.migration.adopting import take_approval, write
from blocks.migration.conversion import Left, converted
from blocks.migration.report import Tally
from blocks.ports import NotFound, RecordStore, TooLarge
from blocks.queries import tenants
from blocks.tenants.directory import enter_in_directory

APPROVALS, WORKFLOWS, STEPS, EXECUTIONS = (
    "hitl_approvals",
    "workflow_workflows",
    "workflow_steps",
    "workflow_executions",
)
CONTAINERS = (APPROVALS, WORKFLOWS, STEPS, EXECUTIONS)
"""Of the older service, in the order of the migration: what people wait for first."""

_PAGE = 100

_COPY = "a copy of a step, which its workflow holds"
_UNKNOWN = "nothing of the older service's that is known: it never wrote here"

Acting = Callable[[str], AbstractAsyncContextManager[RecordStore]]
"""A store for what is changed for this tenant, a page at a time."""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done."""

    store: RecordStore
    acting: Acting | None
    """None: nothing is changed."""
    closing: bool = False
    """Whether workflows under way are closed as failed; else they are left."""
    tenant_id: str | None = None
    """None: all tenants."""


async def migrate(migration: Migration, seen: Callable[[Tally], None]) -> list[Tally]:
    """Every document was looked at, and converted where it is worth it; `seen` is called after
    each page. Raises `Unavailable`: what was converted stays, and a repetition does the rest.
    """
    tallies = [Tally(container=container) for container in CONTAINERS]
    for tally in tallies:
        for tenant_id in await _tenants(migration, tally.container):
            if tally.container == APPROVALS:
                tally.already += await _taken(migration.store, tenant_id)
            async for page in _pages(migration.store, tenant_id, tally.container):
                await _do(migration, tally, tenant_id, page)
                seen(tally)
    return tallies


async def _tenants(migration: Migration, container: str) -> list[str]:
    """Of approvals, those of the directory, too: all of theirs may have been converted."""
    if migration.tenant_id is not None:
        return [migration.tenant_id]
    known = await tenants(migration.store) if container == APPROVALS else []
    return sorted({*known, *await migration.store.older_tenants(container)})


async def _taken(store: RecordStore, tenant_id: str) -> int:
    """Approvals of the older service that are records of ours by now, and none of its documents."""
    waiting = 0
    async for page in _pages(store, tenant_id, APPROVALS):
        waiting += sum(_problem(APPROVALS, document) is None for document in page)
    every = await store.count(tenant_id, ApprovalRecord, {"origin": OLDER_SERVICE})
    return max(0, every - waiting)  # some may have gone in between


async def _pages(
    store: RecordStore, tenant_id: str, container: str
) -> AsyncIterator[list[dict[str, Any]]]:
    after = ""
    while page := await store.older_documents(tenant_id, container, after, _PAGE):
        yield page
        after = page[-1]["id"]


async def _do(
    migration: Migration, tally: Tally, tenant_id: str, page: list[dict[str, Any]]
) -> None:
    if (
        migration.acting is None
        or tally.container not in (APPROVALS, WORKFLOWS)
        or canonical_uuid(tenant_id) != tenant_id  # no tenant of ours: all of it is left
    ):
        for document in page:
            await _one(migration, None, tally, tenant_id, document)
        return
    await enter_in_directory(migration.store, tenant_id)
    async with migration.acting(tenant_id) as store:
        for document in page:
            await _one(migration, store, tally, tenant_id, document)


async def _one(
    migration: Migration,
    store: RecordStore | None,
    tally: Tally,
    tenant_id: str,
    document: dict[str, Any],
) -> None:
    tally.found += 1
    if problem := _problem(tally.container, document):
        tally.leave(tenant_id, document["id"], problem, by_design=tally.container == STEPS)
        return
    try:
        if tally.container == APPROVALS:
            is_new = await _approval(store, tenant_id, document)
        else:
            is_new = await _workflow(migration, store, document)
    except Left as left:
        tally.leave(tenant_id, document["id"], left.reason)
    except (TooLarge, ValueError) as error:  # a record that no store takes
        tally.leave(tenant_id, document["id"], str(error))
    else:
        tally.converted += is_new
        tally.already += not is_new


def _problem(container: str, document: dict[str, Any]) -> str | None:
    """Why the document is no record; None: it is one."""
    if container == STEPS:
        return _COPY
    if container == EXECUTIONS:
        return _UNKNOWN
    kind = ApprovalRecord if container == APPROVALS else OlderWorkflow
    try:
        OLDER_FORMS[kind].read(document)
    except Unreadable as error:
        return str(error)
    return None


async def _approval(store: RecordStore | None, tenant_id: str, document: dict[str, Any]) -> bool:
    if store is None:
        check_size(msgspec.json.encode(OLDER_FORMS[ApprovalRecord].read(document)))
    else:
        try:
            await take_approval(store, tenant_id, document["id"])
        except NotFound:
            raise Left("it was deleted meanwhile") from None
    return True


async def _workflow(
    migration: Migration, store: RecordStore | None, document: dict[str, Any]
) -> bool:
    older = OLDER_FORMS[OlderWorkflow].read(document)
    assert isinstance(older, OlderWorkflow)
    try:
        await migration.store.read(older.tenant_id, ExecutionRecord, older.id)
    except NotFound:
        new = converted(older, utc_now(), closing=migration.closing)
        for record in (new.execution, *new.steps):  # before any of them is written
            check_size(msgspec.json.encode(record))
        return await write(store, new) if store is not None else True
    return False
