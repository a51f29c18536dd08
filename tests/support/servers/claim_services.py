"""The simulated claim services on a port of their own, without delays, and settings that point to
them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
from msgspec.structs import replace

from blocks.settings import Claims, load_settings
from deployments.simulated.claims.app import ClaimSimulator, create_app
from deployments.simulated.claims.faults import Fault
from deployments.simulated.claims.work import Work
from deployments.simulated.serving import served


class ClaimPlatform:
    """The services as other processes see them: over HTTP."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.url = url
        self.client = client

    @property
    def settings(self) -> Claims:
        return settings_at(self.url)

    async def fault(self, fault: Fault) -> None:
        answer = await self.client.post("/simulated/faults", content=msgspec.json.encode(fault))
        assert answer.status_code == 204, answer.text

    async def repair(self) -> None:
        """No fault is on."""
        await self.client.delete("/simulated/faults")

    async def requests(self, user_id: str | None = None) -> dict[str, int]:
        """How often each service was asked, faults included."""
        parameters = {} if user_id is None else {"user_id": user_id}
        counted: dict[str, int] = (
            await self.client.get("/simulated/requests", params=parameters)
        ).json()
        return counted

    async def charges(self, claim_id: str) -> list[dict[str, object]]:
        answer = await self.client.get("/simulated/charges", params={"claim_id": claim_id})
        charges: list[dict[str, object]] = answer.json()["charges"]
        return charges


@asynccontextmanager
async def claim_platform(claims_per_user: int = 4) -> AsyncIterator[ClaimPlatform]:
    """The services are there while the context lasts."""
    delays = replace(load_settings({}).simulators, min_delay_seconds=0, max_delay_seconds=0)
    simulator = ClaimSimulator(delays, Work(claims_per_user))
    async with (
        served(create_app(simulator), "127.0.0.1", 0) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield ClaimPlatform(url, client)


def settings_at(url: str, **changed: object) -> Claims:
    """Every service is at this address."""
    claims = load_settings({"INTEGRATIONS_URL": url, "PYTHON_API_URL": url}).claims
    return replace(claims, **changed)
