"""The real parts of a journey's flow run, on the embedded bus and store, without Prefect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from blocks.claims import journeys, triggers
from blocks.claims.asking.circuits import Circuits
from blocks.claims.packets import packet_files
from blocks.claims.services import ClaimServices
from blocks.claims.triggers import Accepted
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseRecord
from blocks.ports import EventBus, RecordStore
from blocks.processes.retries import Retries
from blocks.services import open_bus, open_store
from blocks.settings import load_settings
from flows.claims.journey_run import JourneyRun
from flows.claims.parts import Parts
from flows.claims.phases import Done
from flows.shared.claims import claim
from flows.shared.runtime import Runtime
from tests.support.factories import A_TENANT
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.journeys.triggers import a_trigger
from tests.support.servers.claim_services import ClaimPlatform, claim_platform

QUICK = Retries(attempts=2, first_wait_seconds=0, jitter_seconds=0)


class Carried(msgspec.Struct, frozen=True):
    """Journeys of `A_TENANT`, and whoever carries them."""

    parts: Parts
    platform: ClaimPlatform

    @property
    def store(self) -> RecordStore:
        return self.parts.context.store

    @property
    def bus(self) -> EventBus:
        return self.parts.context.bus

    async def trigger(self, phase: int, /, **body: Any) -> Accepted:
        return await triggers.accept(self.store, self.bus, A_TENANT, a_trigger(phase, **body))

    async def carry(self, journey_id: str) -> ExecutionRecord:
        """The journey after one flow run has carried it."""
        await carry(self.parts, journey_id)
        return await self.journey(journey_id)

    async def triggered(self, phase: int, /, **body: Any) -> ExecutionRecord:
        """The journey after this trigger, carried."""
        return await self.carry((await self.trigger(phase, **body)).execution_id)

    async def journey(self, journey_id: str) -> ExecutionRecord:
        return (await self.store.read(A_TENANT, ExecutionRecord, journey_id)).record

    async def phases(self, journey_id: str) -> list[PhaseRecord]:
        known = await journeys.phases_of(self.store, A_TENANT, journey_id)
        return [stored.record for stored in known]

    async def phase(self, journey_id: str, number: int) -> PhaseRecord:
        [found] = [one for one in await self.phases(journey_id) if one.phase == number]
        return found

    async def claims(self, journey_id: str) -> list[ClaimRecord]:
        known = await journeys.claims_of(self.store, A_TENANT, journey_id)
        return sorted((stored.record for stored in known), key=lambda one: one.claim_id)


@asynccontextmanager
async def carried(folder: Path, **environment: str) -> AsyncIterator[Carried]:
    """With simulated services on a port of their own, which answer at once."""
    async with claim_platform() as platform:
        settings = load_settings(
            {
                "ORCHESTRATOR_DATA_DIR": str(folder),
                "INTEGRATIONS_URL": platform.url,
                "PYTHON_API_URL": platform.url,
                **environment,
            }
        )
        async with (
            open_bus(settings, "test") as bus,
            open_store(settings) as store,
            ClaimServices(settings.claims, retries=QUICK, circuits=Circuits()) as services,
        ):
            await store.provision()
            context = Runtime(settings, bus, store, RememberedFlowRuns())
            yield Carried(Parts(context, services, packet_files(settings)), platform)


async def carry(parts: Parts, journey_id: str) -> None:
    """As the flow does it with a journey that was dispatched to it."""
    store = parts.context.store
    held = await claim(store, A_TENANT, journey_id, str(uuid4()), workflow=WORKFLOW)
    assert held, "the journey is no run's to carry"
    journey = JourneyRun(parts, held, doing)
    with parts.context.expecting([journey.id], journey):
        await journey.carry()


async def doing(record: PhaseRecord, work: Any) -> Done:
    done: Done = await work()
    return done
