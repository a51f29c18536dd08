"""`/events`: what others have sent to the platform's operations, newest first."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from api.access.errors import NotForTenants
from api.access.tenancy import TenantId
from api.http.lists import Continuation, page_of
from api.http.records import Store
from api.pages.rendering import is_part, page
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import OPERATIONS
from blocks.contracts.records.operations import EventRecord

PAGE_SIZE = 50

_STARTS = {kind: operation for operation in OPERATIONS for kind in operation.events}


@get("/events")
async def show_events(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    event_type: Annotated[str, QueryParameter(name="type", max_length=200)] = "",
    continuation: Continuation = None,
) -> Response[Any]:
    """The log; the platform's alone. Raises `NotForTenants`."""
    if tenant_id != SYSTEM_TENANT:
        raise NotForTenants
    wanted = event_type.strip()
    found = await page_of(
        store,
        tenant_id,
        EventRecord,
        {"event_type": wanted or None},
        limit=PAGE_SIZE,
        continuation=continuation or None,
    )
    return page(
        "events/list.html" if is_part(request) else "events/events.html",
        events=[stored.record for stored in found.items],
        starts=_STARTS,
        type=wanted,
        continuation=continuation,
        following=found.continuation,
    )
