"""`/api/events`: the log of events, and posting one."""

from typing import Annotated

from litestar import get, post
from litestar.params import JSONBody, QueryParameter

from api.access.errors import NotForTenants
from api.access.tenancy import TenantId
from api.claims.errors import workflow_documented
from api.http.errors import InvalidRequest, Problem
from api.http.lists import Continuation, page_of
from api.http.parameters import text
from api.http.records import Bus, Store
from api.idempotency import KEY_ERRORS
from api.operations import examples
from api.operations.documents import EventPage, EventPosted, NewEvent, event_of
from blocks.contracts.operations.platform_events import check_type
from blocks.contracts.records.operations import EventRecord
from blocks.operations.events.posting import new_event
from blocks.operations.events.posting import post as post_event


@get(
    "/events",
    summary="List events",
    tags=["Operations"],
    responses=workflow_documented(examples.EVENTS, NotForTenants),
)
async def list_events(
    store: Store,
    tenant_id: TenantId,
    event_type: Annotated[str | None, text("Only events of this type", name="type")] = None,
    limit: Annotated[int, QueryParameter(description="Events on a page", ge=1, le=1000)] = 50,
    continuation: Continuation = None,
) -> EventPage:
    """The events that were taken in, newest first. No `continuation` in the answer: the last page.

    The log has what others sent; what runs publish about themselves is in their history.
    """
    where = {"event_type": event_type} if event_type else {}
    page = await page_of(
        store, tenant_id, EventRecord, where, limit=limit, continuation=continuation
    )
    return EventPage(
        events=[event_of(stored.record) for stored in page.items], continuation=page.continuation
    )


@post(
    "/events",
    status_code=200,
    summary="Post an event",
    tags=["Operations"],
    responses=workflow_documented(examples.POSTED, NotForTenants, *KEY_ERRORS),
)
async def publish_event(bus: Bus, tenant_id: TenantId, data: JSONBody[NewEvent]) -> EventPosted:
    """The event is in the listener's queue: the log will have it, and what it starts is started,
    whatever happens to this process. It is published under its own type for other services, too.
    """
    try:
        check_type(data.event_type)
    except ValueError as problem:
        raise InvalidRequest(
            Problem(field="eventType", message=str(problem), source="body")
        ) from None
    event = new_event(data.event_type, data.payload, data.id)
    await post_event(bus, event)
    return EventPosted(success=True, event_type=event.type, id=event.id)
