"""How long the log of phases is kept: a journey's whole log, until long after the journey's end."""

from datetime import datetime

from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseLogEntry
from blocks.executions.retention import is_over
from blocks.ports import Between, NotFound, RecordStore, UnreadableRecord
from blocks.queries import PageAtATime

LINES_OF_A_TENANT = 200
"""So many are looked at, and at most deleted, in one look."""


class LogKeeping:
    """Goes through the old lines of tenants, some a look; keeps its place between looks."""

    def __init__(self) -> None:
        self._pages = PageAtATime(PhaseLogEntry, limit=LINES_OF_A_TENANT)

    async def forget(self, store: RecordStore, tenant_id: str, before: datetime) -> int:
        """Lines of journeys that ended before this moment are gone, among those looked at; returns
        how many. A journey that is open, or was opened again, keeps its log, however old, and with
        it the lines that a claim brought along from a journey of its own.
        """
        forgotten, over = 0, dict[tuple[str, str | None], bool]()
        old = {"created_at": Between(until=before)}
        for stored in await self._pages.next(store, tenant_id, old):
            line = stored.record
            about = line.execution_id, line.claim_key
            if about not in over:
                over[about] = await _is_over(store, line, before)
            if over[about]:
                await store.delete(tenant_id, PhaseLogEntry, line.id)
                forgotten += 1
        return forgotten


async def _is_over(store: RecordStore, line: PhaseLogEntry, before: datetime) -> bool:
    """False if the line's journey, or its claim, is not found or cannot be read: what is not
    understood is kept.
    """
    journeys = {line.execution_id}
    try:
        if line.claim_key:
            claim = (await store.read(line.tenant_id, ClaimRecord, line.claim_key)).record
            journeys.add(claim.execution_id)
        return all([await _ended(store, line.tenant_id, one, before) for one in journeys])
    except (NotFound, UnreadableRecord):
        return False


async def _ended(store: RecordStore, tenant_id: str, journey_id: str, before: datetime) -> bool:
    return is_over((await store.read(tenant_id, ExecutionRecord, journey_id)).record, before)
