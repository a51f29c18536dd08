"""The directory of tenants: whose records a sweep has to visit."""

from contextlib import suppress
from weakref import WeakKeyDictionary

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records import TenantRecord
from blocks.ports import AlreadyExists, RecordStore

_KNOWN_MAX = 10_000
_known: WeakKeyDictionary[RecordStore, set[str]] = WeakKeyDictionary()
"""Tenants that this process has found in the directory of a store: no entry is ever deleted."""


async def enter_in_directory(store: RecordStore, tenant_id: str) -> None:
    """The tenant is in the directory, so that every sweep finds its records from now on."""
    known = _known.setdefault(store, set())
    if tenant_id in known:
        return
    entry = TenantRecord(
        id=f"tenant:{tenant_id}",
        tenant_id=ids.SYSTEM_TENANT,
        created_at=utc_now(),
        tenant=tenant_id,
    )
    with suppress(AlreadyExists):
        await store.create(ids.SYSTEM_TENANT, entry)
    if len(known) < _KNOWN_MAX:
        known.add(tenant_id)
