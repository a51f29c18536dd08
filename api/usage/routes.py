"""`/api/v1/usage`: what a tenant uses of the system, and how much of it the tenant may use."""

from litestar import get

from api.access.tenancy import TenantId
from api.documentation.openapi import documented
from api.http.records import AllSettings, Store
from api.usage import examples
from api.usage.documents import Usage, usage_of
from blocks.clock import utc_now
from blocks.ports import RecordStore
from blocks.settings import Settings
from blocks.tenants import usage as tenants_usage
from blocks.tenants.dispatch_policy import read_policy


@get(
    "/usage",
    summary="Read what the tenant uses",
    tags=["Usage"],
    responses=documented(examples.USAGE),
)
async def read_usage(store: Store, settings: AllSettings, tenant_id: TenantId) -> Usage:
    """The tenant's work since the day and the month began (UTC) and at this moment,
    and its limits.
    """
    return await usage_now(store, settings, tenant_id)


async def usage_now(store: RecordStore, settings: Settings, tenant_id: str) -> Usage:
    now = utc_now()
    policy = await read_policy(store)
    measured = await tenants_usage.read_usage(store, tenant_id, now)
    return usage_of(measured, policy.share_of(tenant_id), settings.server.requests_per_minute, now)
