"""The dispatch policy: read by every dispatcher, changed by operators while everything runs."""

from collections.abc import Callable

from msgspec.structs import replace

from blocks import signals
from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import DispatchPolicy, TenantShare
from blocks.ports import EventBus, NotFound, RecordStore
from blocks.updates import update


async def read_policy(store: RecordStore) -> DispatchPolicy:
    """The policy in force; the defaults if none was ever set."""
    try:
        return (await store.read(SYSTEM_TENANT, DispatchPolicy, DispatchPolicy.ID)).record
    except NotFound:
        return default_policy()


def with_share(policy: DispatchPolicy, tenant: str, share: TenantShare | None) -> DispatchPolicy:
    """The policy with this share for a tenant, or for `default`; None removes it."""
    if tenant == "default":
        return replace(policy, default=share or TenantShare())
    others = {other: stated for other, stated in policy.tenants.items() if other != tenant}
    return replace(policy, tenants=others if share is None else {**others, tenant: share})


def default_policy() -> DispatchPolicy:
    """Every tenant alike, and no limits."""
    return DispatchPolicy(id=DispatchPolicy.ID, tenant_id=SYSTEM_TENANT, created_at=utc_now())


async def change_policy(
    store: RecordStore, bus: EventBus, change: Callable[[DispatchPolicy], DispatchPolicy]
) -> DispatchPolicy:
    """The policy, changed and in force; `change` is called again after a lost race."""
    policy = await update(lambda: _write(store, change), "the dispatch policy")
    await bus.broadcast(signals.DISPATCH_POLICY_CHANGED, b"")
    return policy


async def _write(
    store: RecordStore, change: Callable[[DispatchPolicy], DispatchPolicy]
) -> DispatchPolicy:
    try:
        stored = await store.read(SYSTEM_TENANT, DispatchPolicy, DispatchPolicy.ID)
    except NotFound:
        return (await store.create(SYSTEM_TENANT, change(default_policy()))).record
    return (await store.replace(SYSTEM_TENANT, stored.etag, change(stored.record))).record
