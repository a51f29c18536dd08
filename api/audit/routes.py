"""`/api/v1/audit`: who changed what, for the tenant's admin."""

from collections.abc import Mapping
from typing import Annotated, Any

from litestar import get

from api.access.tenancy import TenantId
from api.audit.documents import AUDIT_PAGE, AuditPage, document_of
from api.documentation.openapi import documented
from api.http.lists import LIMIT, Continuation, Limit, NewestOrOldest, Order, any_of, page_of
from api.http.parameters import Bound, Texts, between, moment, text, texts
from api.http.records import Store
from blocks.contracts.reading.uuids import matching_id
from blocks.contracts.records.audit import AuditEntry
from blocks.ports import Contains, RecordStore


@get("/audit", summary="Read the audit log", tags=["Audit"], responses=documented(AUDIT_PAGE))
async def list_audit_entries(
    store: Store,
    tenant_id: TenantId,
    action: Annotated[Texts, texts("Only this action, e.g. `execution.cancel`")] = None,
    by: Annotated[
        Texts, texts("Only what was done in this user's, service's or key's name", name="actor")
    ] = None,  # the router's dependency has taken the other name
    target: Annotated[str | None, text("Only what named or changed this id")] = None,
    created_after: Annotated[
        Bound | None, moment("createdAfter", "Only what began then or later")
    ] = None,
    created_before: Annotated[
        Bound | None, moment("createdBefore", "Only what began before that")
    ] = None,
    order: Order = "newest",
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> AuditPage:
    """All changes for the tenant by a person or a program, and the refused ones.

    No `continuation` in the answer: the last page.
    """
    where: dict[str, Any] = {
        "action": any_of(action),
        "actor": any_of(by),
        "created_at": between(created_after, created_before),
    }
    return await page_of_entries(store, tenant_id, where, target, order, limit, continuation)


async def page_of_entries(
    store: RecordStore,
    tenant_id: str,
    where: Mapping[str, Any],
    target: str | None,
    order: NewestOrOldest,
    limit: int,
    continuation: str | None,
) -> AuditPage:
    """Entries that match, and that named or changed this target. Raises `InvalidRequest` for
    a continuation of another list.
    """
    where = {**where, "targets": Contains(matching_id(target)) if target else None}
    page = await page_of(
        store, tenant_id, AuditEntry, where, limit=limit, continuation=continuation, order=order
    )
    return AuditPage(
        items=[document_of(stored.record) for stored in page.items],
        continuation=page.continuation,
    )
