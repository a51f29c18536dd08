"""Due phases whose journey no run carries: read once for all kinds of drift that are about them.

Each kind takes what is its own, in its own time. Whoever finds nothing left for it reads the next
page and leaves the others their share. So what is taken may be some seconds old: look at it again
before you act.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Literal, get_args

import msgspec

from blocks.clock import utc_now
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.ports import Between, NotFound, RecordStore, Stored, UnreadableRecord
from blocks.queries import PageAtATime, tenants

GRACE = timedelta(seconds=30)
"""Who records a trigger wakes its journey; who has seen it rest, or end, is not late by then."""

PHASES_OF_A_TENANT = 200
"""So many are looked at of each tenant in one look, and the next ones in the next: most of them
belong to journeys under way.
"""

Need = Literal["waking", "closing"]
"""Of the journey, or of the phase."""


class Due(msgspec.Struct, frozen=True):
    """A phase that is due, and its journey, which no run carries."""

    phase: Stored[PhaseRecord]
    journey: ExecutionRecord


class DuePhases:
    """Reads a page of each tenant at a time; keep it as long as you look."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._pages = PageAtATime(PhaseRecord, limit=PHASES_OF_A_TENANT)
        self._left: dict[Need, dict[str, Due] | None] = dict.fromkeys(get_args(Need))
        """By need and phase: what was read since that was last taken; None: nothing was read."""
        self._reading = asyncio.Lock()

    async def take(self, need: Need) -> list[Due]:
        """Those that need it, as of the last reading or of one now."""
        async with self._reading:
            if self._left[need] is None:
                await self._read()
            taken, self._left[need] = self._left[need], None
        return list((taken or {}).values())

    async def still(self, due: Due, need: Need) -> Due | None:
        """As it is on record now; None: it does not need that any more."""
        journey = await self._journey(due.phase.record)
        if journey is None or journey.updated_at != due.journey.updated_at:
            return None
        tenant_id = due.phase.record.tenant_id
        phase = await self._store.read(tenant_id, PhaseRecord, due.phase.record.id)
        is_same = phase.record.is_due and phase.record.execution_id == journey.id
        return Due(phase, journey) if is_same and _need_of(phase.record, journey) == need else None

    async def _read(self) -> None:
        due_before = utc_now() - GRACE
        found: dict[Need, dict[str, Due]] = {need: {} for need in self._left}
        for tenant_id in await tenants(self._store):
            for due in await self._next_page(tenant_id, due_before):
                if need := _need_of(due.phase.record, due.journey):
                    found[need][due.phase.record.id] = due
        for need, of_page in found.items():
            self._left[need] = {**(self._left[need] or {}), **of_page}

    async def _next_page(self, tenant_id: str, due_before: datetime) -> list[Due]:
        """Of the tenant's phases, those that came long enough ago, and whose journey stands."""
        due = {"announced_at": None, "created_at": Between(until=due_before)}
        journeys: dict[str, ExecutionRecord | None] = {}
        found: list[Due] = []
        for phase in await self._pages.next(self._store, tenant_id, due):
            if phase.record.requested_at > due_before:
                continue
            journey_id = phase.record.execution_id
            if journey_id not in journeys:
                journeys[journey_id] = await self._journey(phase.record)
            journey = journeys[journey_id]
            if journey and journey.updated_at <= due_before:
                found.append(Due(phase, journey))
        return found

    async def _journey(self, phase: PhaseRecord) -> ExecutionRecord | None:
        read = self._store.read
        try:
            return (await read(phase.tenant_id, ExecutionRecord, phase.execution_id)).record
        except (NotFound, UnreadableRecord):
            return None


def _need_of(phase: PhaseRecord, journey: ExecutionRecord) -> Need | None:
    if journey.status == "waiting" or _was_missed(phase, journey):
        return "waking"
    return "closing" if journey.is_terminal else None


def _was_missed(phase: PhaseRecord, journey: ExecutionRecord) -> bool:
    """Whether its journey ended without having seen it: it was requested later, or while the
    journey came to its end by itself, which it does only when no phase is due.
    """
    match journey.status:
        case "completed":
            return True
        case "failed":
            ended_by_itself = journey.failed_step is not None
            ended_at = journey.completed_at or journey.updated_at
            return ended_by_itself or phase.requested_at > ended_at
    return False
