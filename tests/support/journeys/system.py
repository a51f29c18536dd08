"""The processes that carry journeys, the simulated claim services, and a caller of the routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from blocks.claims import journeys, log
from blocks.contracts import ids
from blocks.contracts.claims.phases import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import ClaimRecord, PhaseLogEntry
from blocks.ports import NotFound
from tests.support.factories import A_TENANT
from tests.support.servers.claim_services import ClaimPlatform, claim_platform
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import (
    Orchestra,
    client_of,
    deploy_workflow,
    undeployed_orchestra,
)
from tests.support.waiting import eventually

QUICK = {
    "RECONCILER_INTERVAL_SECONDS": "1",
    "WORKER_HEARTBEAT_SECONDS": "0.5",
    "WORKER_LOST_AFTER_SECONDS": "3",
    "REQUESTS_PER_MINUTE": "0",
    "APPROVAL_LINK_SECRET": "a link secret of the tests, long enough",
}


class JourneySystem(msgspec.Struct, frozen=True):
    """No process runs yet, unless a test has started it."""

    parts: Orchestra
    platform: ClaimPlatform
    client: httpx.AsyncClient

    def start(self) -> None:
        for process in (self.parts.listener, self.parts.worker, self.parts.api):
            process.start()

    async def trigger(self, phase: int, **body: Any) -> httpx.Response:
        """Sent until it is answered, as the platform's services do it."""

        async def send() -> httpx.Response | None:
            try:
                answer = await self.client.post(f"/api/v1/workflow/phase/{phase}", json=body)
            except httpx.TransportError:
                return None
            return None if answer.status_code >= 500 else answer

        answer = await eventually(send, within_seconds=120)
        assert answer
        assert answer.status_code == 200, answer.text
        return answer

    async def rests(
        self, user_id: str, sync_id: str, *statuses: str, within_seconds: float = 90
    ) -> ExecutionRecord:
        """The journey, once it is in one of these states and, if it has ended, announced."""
        id = ids.journey_id(A_TENANT, user_id, sync_id)

        async def look() -> ExecutionRecord | None:
            try:
                record = (await self.parts.store.read(A_TENANT, ExecutionRecord, id)).record
            except NotFound:
                return None
            announced = record.announced_at is not None or not record.is_terminal
            return record if record.status in statuses and announced else None

        try:
            found = await eventually(look, within_seconds=within_seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.parts.logs()}") from None
        assert found
        return found

    async def claims(self, journey: ExecutionRecord) -> list[ClaimRecord]:
        known = await journeys.claims_of(self.parts.store, A_TENANT, journey.id)
        return sorted((stored.record for stored in known), key=lambda claim: claim.claim_id)

    async def lines(self, journey: ExecutionRecord) -> list[PhaseLogEntry]:
        return await log.entries(self.parts.store, A_TENANT, [journey.id])


@asynccontextmanager
async def journey_system(
    folder: Path, prefect: PrefectServer, claims_per_user: int = 4, **environment: str
) -> AsyncIterator[JourneySystem]:
    async with claim_platform(claims_per_user) as platform:
        services = {"INTEGRATIONS_URL": platform.url, "PYTHON_API_URL": platform.url}
        variables = {**QUICK, **services, **environment}
        async with undeployed_orchestra(folder, prefect, **variables) as parts:
            await deploy_workflow(parts.settings, prefect, parts.environment, WORKFLOW)
            async with client_of(parts) as client:
                yield JourneySystem(parts, platform, client)
