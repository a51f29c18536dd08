"""The dispatch policy as it looks over HTTP."""

from typing import Annotated

import msgspec

from api.http.documents import Document
from blocks.contracts.reading.limits import Count
from blocks.contracts.records import DispatchPolicy, TenantShare


class Dispatch(Document, frozen=True, kw_only=True):
    """The dispatch policy: every tenant's share, and what holds for all."""

    default: TenantShare
    tenants: dict[str, TenantShare]
    running_max: int | None
    batch_max: int | None


class DispatchLimits(Document, frozen=True, kw_only=True):
    """What holds for all tenants together; null takes a limit away, what is absent stays."""

    running_max: Count | msgspec.UnsetType | None = msgspec.UNSET
    batch_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )


def dispatch_of(policy: DispatchPolicy) -> Dispatch:
    return Dispatch(
        default=policy.default,
        tenants=policy.tenants,
        running_max=policy.running_max,
        batch_max=policy.batch_max,
    )
