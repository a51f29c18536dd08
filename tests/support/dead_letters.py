"""Dead letters where a listener has put them: in the records of the tenants they name, and of the
platform.
"""

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.dead_letters import letters as dead_letters
from blocks.ports import Query, RecordStore
from tests.support.waiting import eventually


async def letters(store: RecordStore, *tenant_ids: str) -> list[DeadLetterRecord]:
    """Those of these tenants and of the platform, oldest first."""
    found = [
        stored.record
        for tenant_id in (*tenant_ids, SYSTEM_TENANT)
        for stored in (await store.query(tenant_id, Query(DeadLetterRecord, limit=1000))).items
    ]
    return sorted(found, key=lambda letter: letter.created_at)


async def letters_become(
    store: RecordStore, count: int, *tenant_ids: str, within_seconds: float = 30.0
) -> list[DeadLetterRecord]:
    """The letters, once there are so many."""

    async def enough() -> list[DeadLetterRecord]:
        found = await letters(store, *tenant_ids)
        return found if len(found) >= count else []

    return await eventually(enough, within_seconds=within_seconds)


async def body_of(store: RecordStore, letter: DeadLetterRecord) -> bytes:
    return dead_letters.content_of(await dead_letters.read_body(store, letter))
