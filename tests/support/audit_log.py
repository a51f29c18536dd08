"""The audit log as tests read it."""

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.audit import AuditEntry, AuditIntent
from blocks.ports import RecordStore
from blocks.queries import every
from tests.support.factories import A_TENANT


async def entries(store: RecordStore, tenant_id: str = A_TENANT) -> list[AuditEntry]:
    """All of the tenant's, oldest first."""
    return [stored.record async for stored in every(store, tenant_id, AuditEntry)]


async def intents(store: RecordStore) -> list[AuditIntent]:
    """Acts under way, or lost."""
    return [stored.record async for stored in every(store, SYSTEM_TENANT, AuditIntent)]
