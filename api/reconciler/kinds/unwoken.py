"""Phases that are due although no run carries their journey."""

import logging
from collections.abc import Sequence

from api.reconciler.drift import Drift
from api.reconciler.due_phases import Due
from blocks.claims import journeys, rounds
from blocks.contracts import rejections

log = logging.getLogger(__name__)


class UnwokenJourneys(Drift[Due]):
    """Their journey is woken: a crash came between the record of a trigger and the wake."""

    kind = "unwoken_journey"

    async def find(self) -> Sequence[Due]:
        """One phase of each journey is enough."""
        found = await self._parts.due_phases.take("waking")
        return list({due.journey.id: due for due in found}.values())

    async def act(self, found: Due) -> bool:
        if (due := await self._parts.due_phases.still(found, "waking")) is None:
            return False
        journey = due.journey
        await journeys.wake(self._parts.store, self._parts.bus, journey.tenant_id, journey.id)
        log.warning("journey %s is woken: a phase of it is due", journey.id)
        return True


class UnclosedPhases(Drift[Due]):
    """They are closed: their journey was ended from outside, by a person, by an error or with its
    flow run. A retry of it requests them once more.
    """

    kind = "unclosed_phase"

    async def find(self) -> Sequence[Due]:
        return await self._parts.due_phases.take("closing")

    async def act(self, found: Due) -> bool:
        if (due := await self._parts.due_phases.still(found, "closing")) is None:
            return False
        phase, journey = due.phase.record, due.journey
        closed = await rounds.close(
            self._parts.store,
            self._parts.bus,
            due.phase,
            journey.error_code or rejections.CANCELLED,
            f"the journey is {journey.status}: {journey.error or 'no reason is known'}",
        )
        if closed.etag == due.phase.etag:
            return False
        log.info("phase %s of journey %s, which had ended, is closed", phase.phase, journey.id)
        return True
