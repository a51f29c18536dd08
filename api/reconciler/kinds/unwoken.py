"""Phases that are due although no run carries their journey."""

import logging
from abc import abstractmethod
from datetime import timedelta

import msgspec

from api.reconciler.drift import Drift, Parts
from blocks.claims import journeys, rounds
from blocks.clock import utc_now
from blocks.contracts import rejections
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.ports import Between, NotFound, Stored
from blocks.queries import PageAtATime, tenants

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=30)
"""Who records a trigger wakes its journey; who has seen it rest, or end, is not late by then."""

PHASES_OF_A_TENANT = 200
"""So many are looked at of each tenant in one look, and the next ones in the next: most of them
belong to journeys under way.
"""


class Due(msgspec.Struct, frozen=True):
    """A phase that is due, and its journey, which no run carries."""

    phase: Stored[PhaseRecord]
    journey: ExecutionRecord


class _DuePhases(Drift[Due]):
    """Phases that are requested, running or unannounced, of journeys that stand still."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._pages = PageAtATime(PhaseRecord, limit=PHASES_OF_A_TENANT)

    async def find(self) -> list[Due]:
        due_before = utc_now() - GRACE
        due = {"announced_at": None, "created_at": Between(until=due_before)}
        found: list[Due] = []
        for tenant_id in await tenants(self._parts.store):
            journeys_read: dict[str, ExecutionRecord | None] = {}
            for phase in await self._pages.next(self._parts.store, tenant_id, due):
                if phase.record.requested_at > due_before:
                    continue
                journey_id = phase.record.execution_id
                if journey_id not in journeys_read:
                    journeys_read[journey_id] = await self._journey(phase.record)
                journey = journeys_read[journey_id]
                if (
                    journey
                    and journey.updated_at <= due_before
                    and self._concerns(phase.record, journey)
                ):
                    found.append(Due(phase, journey))
        return found

    @abstractmethod
    def _concerns(self, phase: PhaseRecord, journey: ExecutionRecord) -> bool: ...

    async def _journey(self, phase: PhaseRecord) -> ExecutionRecord | None:
        read = self._parts.store.read
        try:
            return (await read(phase.tenant_id, ExecutionRecord, phase.execution_id)).record
        except NotFound:
            return None


class UnwokenJourneys(_DuePhases):
    """Their journey is woken: a crash came between the record of a trigger and the wake."""

    kind = "unwoken_journey"

    async def find(self) -> list[Due]:
        """One phase of each journey is enough."""
        return list({due.journey.id: due for due in await super().find()}.values())

    async def act(self, found: Due) -> bool:
        journey = found.journey
        await journeys.wake(self._parts.store, self._parts.bus, journey.tenant_id, journey.id)
        log.warning("journey %s is woken: a phase of it is due", journey.id)
        return True

    def _concerns(self, phase: PhaseRecord, journey: ExecutionRecord) -> bool:
        return journey.status == "waiting" or _was_missed(phase, journey)


class UnclosedPhases(_DuePhases):
    """They are closed: their journey was ended from outside, by a person or with its flow run. A
    retry of it requests them once more.
    """

    kind = "unclosed_phase"

    async def act(self, found: Due) -> bool:
        phase, journey = found.phase.record, found.journey
        closed = await rounds.close(
            self._parts.store,
            self._parts.bus,
            found.phase,
            journey.error_code or rejections.CANCELLED,
            f"the journey is {journey.status}: {journey.error or 'no reason is known'}",
        )
        if closed.etag == found.phase.etag:
            return False
        log.info("phase %s of journey %s, which had ended, is closed", phase.phase, journey.id)
        return True

    def _concerns(self, phase: PhaseRecord, journey: ExecutionRecord) -> bool:
        return journey.is_terminal and not _was_missed(phase, journey)


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
