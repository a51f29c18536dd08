"""`/api/v1/dispatch`: how the system is shared among tenants; for the platform itself, under the
system tenant.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
from litestar import delete, get, patch, put
from litestar.params import JSONBody, PathParameter
from msgspec.structs import replace

from api.access.errors import NotForTenants, TenantNotFound
from api.access.tenancy import TenantId
from api.dispatch.documents import Dispatch, DispatchLimits, dispatch_of
from api.dispatch.examples import DISPATCH
from api.documentation.openapi import documented, documented_without_body
from api.http.errors import BODY_ERRORS, Changed
from api.http.etags import IfMatch, check_unchanged
from api.http.records import Bus, Store
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import DispatchPolicy, TenantShare
from blocks.ports import EventBus, RecordStore
from blocks.tenants.dispatch_policy import change_policy, read_policy, with_share

TenantPath = Annotated[
    str, PathParameter(name="tenantId", description="The tenant whose share it is, or `default`")
]


@get(
    "/dispatch",
    summary="Read the dispatch policy",
    tags=["Dispatch"],
    responses=documented(DISPATCH, NotForTenants),
)
async def read_dispatch(store: Store, tenant_id: TenantId) -> Dispatch:
    """The policy in force."""
    _platform_only(tenant_id)
    return dispatch_of(await read_policy(store))


@patch(
    "/dispatch",
    summary="Change the limits of dispatch",
    tags=["Dispatch"],
    responses=documented(DISPATCH, NotForTenants, Changed, *BODY_ERRORS),
)
async def change_dispatch(
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    data: JSONBody[DispatchLimits],
    if_match: IfMatch = None,
) -> Dispatch:
    """The limits are in force in every dispatcher, within a second."""
    _platform_only(tenant_id)
    stated = {
        name: value
        for name, value in msgspec.structs.asdict(data).items()
        if value is not msgspec.UNSET
    }
    return await _changed(store, bus, if_match, lambda policy: replace(policy, **stated))


@put(
    "/dispatch/tenants/{tenantId:str}",
    summary="Set a tenant's share",
    tags=["Dispatch"],
    responses=documented(DISPATCH, NotForTenants, TenantNotFound, Changed, *BODY_ERRORS),
)
async def set_tenant_share(
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    whose: TenantPath,
    data: JSONBody[TenantShare],
    if_match: IfMatch = None,
) -> Dispatch:
    """The share is in force in every dispatcher, within a second."""
    _platform_only(tenant_id)
    return await _changed(
        store, bus, if_match, lambda policy: with_share(policy, _known(whose), data)
    )


@delete(
    "/dispatch/tenants/{tenantId:str}",
    summary="Give a tenant the default share",
    tags=["Dispatch"],
    responses=documented_without_body(NotForTenants, TenantNotFound, Changed),
)
async def reset_tenant_share(
    store: Store, bus: Bus, tenant_id: TenantId, whose: TenantPath, if_match: IfMatch = None
) -> None:
    """The tenant has no share of its own any more."""
    _platform_only(tenant_id)
    await _changed(store, bus, if_match, lambda policy: with_share(policy, _known(whose), None))


async def _changed(
    store: RecordStore,
    bus: EventBus,
    if_match: str | None,
    change: Callable[[DispatchPolicy], DispatchPolicy],
) -> Dispatch:
    """`If-Match` has the ETag of the whole policy, which every change is a change of."""

    def checked(policy: DispatchPolicy) -> DispatchPolicy:
        check_unchanged(if_match, dispatch_of(policy))
        return change(policy)

    return dispatch_of(await change_policy(store, bus, checked))


def _platform_only(tenant_id: str) -> None:
    if tenant_id != SYSTEM_TENANT:
        raise NotForTenants


def _known(tenant: str) -> str:
    known = "default" if tenant == "default" else canonical_uuid(tenant)
    if known is None:
        raise TenantNotFound
    return known
