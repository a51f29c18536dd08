"""The tenant of a request: that of its credential; `X-Tenant-ID` must agree with it.

Another tenant's id is answered exactly like an unknown one, because no store method sees past its
tenant.
"""

from typing import Any

from litestar import Request
from litestar.datastructures import Headers
from litestar.di import NamedDependency

from api.access.errors import NotForTenants, TenantMalformed, TenantMissing
from api.http.errors import InvalidRequest, Problem
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.ids import SYSTEM_TENANT

HEADER = "X-Tenant-ID"

TenantId = NamedDependency[str]
"""The tenant of the request: a UUID in lower case."""


async def provide_tenant_id(request: Request[Any, Any, Any]) -> str:
    """The tenant of the credential; the header was compared with it before any route
    was reached.
    """
    tenant_id: str = request.user.tenant_id
    return tenant_id


async def provide_platform(request: Request[Any, Any, Any]) -> str:
    """The system tenant, of routes that are for the platform itself. Raises `NotForTenants`."""
    if request.user.tenant_id != SYSTEM_TENANT:
        raise NotForTenants
    return SYSTEM_TENANT


def tenant_in(headers: Headers) -> str:
    """The tenant that the header names.

    Raises `TenantMissing`, `TenantMalformed`, or `InvalidRequest` when two headers name a tenant
    each.
    """
    values = headers.getall(HEADER, [])
    if len(values) > 1:
        raise InvalidRequest(Problem(field=HEADER, message="must be given once", source="header"))
    if not values or not values[0]:
        raise TenantMissing
    tenant_id = canonical_uuid(values[0])
    if tenant_id is None:
        raise TenantMalformed
    return tenant_id
