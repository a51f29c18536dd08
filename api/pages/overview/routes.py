"""`/`: the numbers of a tenant; while it has none yet, how to publish the first event."""

from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

from litestar import Request, Response, get
from litestar.params import QueryParameter

from api.access.tenancy import TenantId
from api.http.lists import Continuation
from api.http.records import AllSettings, Store
from api.pages.executions.routes import seconds_of
from api.pages.executions.search import title_of
from api.pages.overview.figures import now_of, pace_of, per_hour, tenants_of_platform
from api.pages.rendering import is_part, page
from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.roles import allows
from blocks.ports import Query, RecordStore
from blocks.settings import Settings
from blocks.settings.links import api_url


@get("/")
async def show_overview(
    request: Request[Any, Any, Any],
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    first: Annotated[bool, QueryParameter(description="Only whether the first has come")] = False,
    continuation: Continuation = None,
) -> Response[Any]:
    """What has been done lately and what waits; `continuation` is of the list of tenants."""
    now = utc_now()
    newest = await _newest(store, tenant_id)
    if newest is None and (tenant_id != SYSTEM_TENANT or first):
        return _first_run(request, settings, tenant_id)
    if first and is_part(request):
        return page("overview/arrival.html", arrived=newest)
    figures = await now_of(store, settings, tenant_id, now)
    if is_part(request):
        return page("overview/now.html", now_is=figures, title_of=title_of, seconds_of=seconds_of)
    is_platform = tenant_id == SYSTEM_TENANT and allows(request.user.roles, "operator")
    lines, following = (
        await tenants_of_platform(store, now, continuation) if is_platform else ([], None)
    )
    hours = await per_hour(store, tenant_id, now)
    return page(
        "overview/overview.html",
        now_is=figures,
        hours=[(_hour(at, count), count) for at, count in hours],
        begins=hours[0][0],
        pace=await pace_of(store, tenant_id),
        tenants=lines,
        is_platform=is_platform,
        continuation=continuation,
        following=following,
        title_of=title_of,
        seconds_of=seconds_of,
    )


async def _newest(store: RecordStore, tenant_id: str) -> ExecutionRecord | None:
    found = (
        await store.query(tenant_id, Query(ExecutionRecord, limit=1, skips_unreadable=True))
    ).items
    return found[0].record if found else None


def _first_run(
    request: Request[Any, Any, Any], settings: Settings, tenant_id: str
) -> Response[Any]:
    if is_part(request):
        return page("overview/arrival.html", arrived=None)
    return page(
        "overview/first.html",
        arrived=None,
        url=api_url(settings.server),
        tenant_id=tenant_id,
        subject=str(uuid4()),
    )


def _hour(at: datetime, count: int) -> str:
    return f"{at:%H}:00 UTC: {count:,}"
