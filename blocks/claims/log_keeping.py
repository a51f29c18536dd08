"""How long the log of phases is kept: a journey's whole log, until long after the journey's end."""

from datetime import datetime

from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseLogEntry
from blocks.ports import Between, NotFound, RecordStore
from blocks.queries import PageAtATime

LINES_OF_A_TENANT = 200
"""So many are looked at, and at most deleted, in one look."""


class LogKeeping:
    """Goes through the old lines of tenants, some a look; keeps its place between looks."""

    def __init__(self) -> None:
        self._pages = PageAtATime(PhaseLogEntry, limit=LINES_OF_A_TENANT)

    async def forget(self, store: RecordStore, tenant_id: str, before: datetime) -> int:
        """Lines of journeys that ended before this moment are gone, among those looked at; returns
        how many. A journey that is open, or was opened again, keeps its log, however old.
        """
        forgotten, ended = 0, dict[str, bool]()
        old = {"created_at": Between(until=before)}
        for stored in await self._pages.next(store, tenant_id, old):
            line = stored.record
            if line.execution_id not in ended:
                ended[line.execution_id] = await _ended(store, line, before)
            if ended[line.execution_id]:
                await store.delete(tenant_id, PhaseLogEntry, line.id)
                forgotten += 1
        return forgotten


async def _ended(store: RecordStore, line: PhaseLogEntry, before: datetime) -> bool:
    """False for a line whose journey is not found: what is not understood is kept."""
    try:
        journey = (await store.read(line.tenant_id, ExecutionRecord, line.execution_id)).record
    except NotFound:
        return False
    is_over = journey.is_terminal and journey.announced_at is not None
    return is_over and journey.completed_at is not None and journey.completed_at < before
