"""Journeys at rest although a phase of theirs is due: a crash came between record and wake."""

import logging
from datetime import timedelta

from api.reconciler.drift import Drift
from blocks.claims import journeys
from blocks.clock import utc_now
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.ports import NotFound
from blocks.queries import every, tenants

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=30)
"""Who records a trigger wakes its journey; who has seen it rest is not late by then."""


class UnwokenJourneys(Drift[ExecutionRecord]):
    """They are woken."""

    kind = "unwoken_journey"

    async def find(self) -> list[ExecutionRecord]:
        found: dict[str, ExecutionRecord] = {}
        due_before = utc_now() - GRACE
        for tenant_id in await tenants(self._parts.store):
            due = {"announced_at": None}
            async for stored in every(self._parts.store, tenant_id, PhaseRecord, due):
                phase = stored.record
                if phase.requested_at > due_before or phase.execution_id in found:
                    continue
                journey = await self._at_rest(phase)
                if journey and journey.updated_at <= due_before:
                    found[journey.id] = journey
        return list(found.values())

    async def act(self, journey: ExecutionRecord) -> bool:
        await journeys.wake(self._parts.store, self._parts.bus, journey.tenant_id, journey.id)
        log.warning("journey %s is woken: a phase of it is due", journey.id)
        return True

    async def _at_rest(self, phase: PhaseRecord) -> ExecutionRecord | None:
        """The phase's journey if it waits, or ended before this phase was requested: what was due
        when it was ended from outside stays undone until a retry.
        """
        try:
            read = self._parts.store.read
            journey = (await read(phase.tenant_id, ExecutionRecord, phase.execution_id)).record
        except NotFound:
            return None
        if journey.status == "waiting":
            return journey
        if journey.status not in ("completed", "failed") or journey.completed_at is None:
            return None
        return journey if phase.requested_at > journey.completed_at else None
