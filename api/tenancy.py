"""Whose request is this: every `/api/v1` route is given the tenant by this module alone.

The `X-Tenant-ID` header is trusted: the API does not authenticate yet. A gateway must set it and remove what the client
sent. Another tenant's id is answered exactly like an unknown one, because no store method sees past its tenant.
"""

from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter

from api.errors import InvalidRequest, Problem, TenantMalformed, TenantMissing
from blocks.contracts.envelope import canonical_uuid

HEADER = "X-Tenant-ID"

TenantId = NamedDependency[str]
"""The tenant of the request: a UUID in lower case."""

TenantHeader = Annotated[
    # Optional for Litestar, so that its absence is answered here (401) and not as an invalid request (400);
    # required in the document, which is what callers read.
    str | None,
    HeaderParameter(
        name=HEADER,
        description="The tenant, a UUID. Set by the gateway.",
        schema_extra={"one_of": None, "type": "string", "format": "uuid"},
    ),
]


async def provide_tenant_id(request: Request[Any, Any, Any], x_tenant_id: TenantHeader) -> str:
    """Raises `TenantMissing`, `TenantMalformed`, or `InvalidRequest` when two headers name a tenant each."""
    if not x_tenant_id:
        raise TenantMissing
    if len(request.headers.getall(HEADER)) > 1:
        raise InvalidRequest(Problem(field=HEADER, message="must be given once", source="header"))
    tenant_id = canonical_uuid(x_tenant_id)
    if tenant_id is None:
        raise TenantMalformed
    return tenant_id
