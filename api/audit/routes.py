"""`/api/v1/audit`: who changed what, for the tenant's admin."""

from datetime import datetime
from typing import Annotated, Any

from litestar import get
from litestar.params import QueryParameter

from api.access.tenancy import TenantId
from api.audit.documents import AUDIT_PAGE, AuditPage, document_of
from api.documentation.openapi import documented
from api.http.parameters import in_utc, moment, text
from api.http.records import Store, page_of
from blocks.contracts.reading.uuids import matching_id
from blocks.contracts.records.audit import AuditEntry
from blocks.ports import Between, Contains


@get("/audit", summary="Read the audit log", tags=["Audit"], responses=documented(AUDIT_PAGE))
async def list_audit_entries(
    store: Store,
    tenant_id: TenantId,
    action: Annotated[str | None, text("Only this action, e.g. `execution.cancel`")] = None,
    by: Annotated[
        str | None, text("Only what was done in this user's, service's or key's name", name="actor")
    ] = None,  # the router's dependency has taken the other name
    target: Annotated[str | None, text("Only what named or changed this id")] = None,
    created_after: Annotated[
        datetime | None, moment("createdAfter", "Only what began then or later")
    ] = None,
    created_before: Annotated[
        datetime | None, moment("createdBefore", "Only what began before that")
    ] = None,
    limit: Annotated[int, QueryParameter(description="Entries on a page", ge=1, le=100)] = 50,
    continuation: Annotated[
        str | None,
        text("The `continuation` of the page before, with the same filters", max_length=2000),
    ] = None,
) -> AuditPage:
    """All changes for the tenant by a person or a program, and the refused ones, newest first.

    No `continuation` in the answer: the last page.
    """
    filters: dict[str, Any] = {
        "action": action,
        "actor": by,
        "targets": Contains(matching_id(target)) if target else None,
        "created_at": Between(since=in_utc(created_after), until=in_utc(created_before)),
    }
    where = {name: value for name, value in filters.items() if value is not None}
    page = await page_of(
        store, tenant_id, AuditEntry, where, limit=limit, continuation=continuation
    )
    return AuditPage(
        entries=[document_of(stored.record) for stored in page.items],
        continuation=page.continuation,
    )
