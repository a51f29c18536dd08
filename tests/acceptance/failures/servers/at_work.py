"""What goes on while a part is away: events that come, a schedule that fires."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from blocks.adapters.prefect.flow_runs import TAG
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message
from blocks.queries import every
from tests.support.factories import A_TENANT
from tests.support.system.analysis_services import opportunity_event
from tests.support.system.orchestra import Orchestra
from tests.support.waiting import eventually

EVENT_EVERY_SECONDS = 0.6
TICK_EVERY = timedelta(seconds=5)


# --- events ---------------------------------------------------------------------------------------


class Arrivals:
    """Events in turn of one tenant, whose flow run is open, and of tenants that are new, each of
    whom needs a flow run.
    """

    def __init__(self, parts: Orchestra) -> None:
        self._parts = parts
        self.events: list[tuple[str, Message]] = []
        """With the tenant of each."""

    @asynccontextmanager
    async def coming(self) -> AsyncIterator[None]:
        """They come while the context lasts."""
        stopping = asyncio.Event()
        publishing = asyncio.create_task(self._publish_until(stopping))
        try:
            yield
        finally:
            stopping.set()
            await publishing

    async def have_ended(self, count: int | None = None) -> bool:
        """So many executions, or those of all events, have ended and are announced."""
        records = await self.executions()
        ended = [record for record in records if record.announced_at]
        return len(ended) >= (len(self.events) if count is None else count)

    async def executions(self) -> list[ExecutionRecord]:
        return [
            stored.record
            for tenant_id in dict(self.events)
            async for stored in every(self._parts.store, tenant_id, ExecutionRecord)
        ]

    async def seconds_to_end(self, of_whom: str, since: datetime, until: datetime) -> list[float]:
        """Of the events that came in this time, of tenants that are `at work` or `new`."""
        came = {event.id: event.timestamp for _, event in self.events}
        return [
            (record.announced_at - came[id]).total_seconds()
            for record in await self.executions()
            for id in record.trigger_ids
            if since <= came[id] < until
            and record.announced_at
            and (record.tenant_id == A_TENANT) == (of_whom == "at work")
        ]

    async def _publish_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            for tenant_id in (A_TENANT, str(uuid4())):
                event = opportunity_event(
                    tenant_id, str(uuid4()), id=str(uuid4()), metadata={"amount": 1_000}
                )
                await self._parts.bus.publish(event)
                self.events.append((tenant_id, event))
                await asyncio.sleep(EVENT_EVERY_SECONDS)


# --- schedules ------------------------------------------------------------------------------------


class Ticks:
    """A deployment of our work pool with a schedule."""

    def __init__(self, client: httpx.AsyncClient, deployment_id: str) -> None:
        self._client = client
        self._deployment_id = deployment_id

    async def due(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Its runs that were to begin in this time."""
        runs = await self._runs()
        return [run for run in runs if since <= _moment(run, "expected_start_time") < until]

    async def have_run(self, since: datetime, until: datetime) -> bool:
        """Some were due, and each has completed, or broken off when Prefect's server answered 500:
        of a workflow of ours, the reconciler runs such a run again.
        """
        states = {run["state_type"] for run in await self.due(since, until)}
        return "COMPLETED" in states and states <= {"COMPLETED", "CRASHED"}

    async def exist(self) -> bool:
        with suppress(httpx.HTTPError):
            return bool(await self._runs())
        return False

    async def lateness(self, since: datetime, until: datetime) -> float:
        """Of the latest of them, in seconds."""
        late = [
            _moment(run, "start_time") - _moment(run, "expected_start_time")
            for run in await self.due(since, until)
            if run["state_type"] == "COMPLETED"
        ]
        return max(late).total_seconds()

    async def _runs(self) -> list[dict[str, Any]]:
        wanted = {
            "deployments": {"id": {"any_": [self._deployment_id]}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        answer = await self._client.post("/flow_runs/filter", json=wanted)
        runs: list[dict[str, Any]] = answer.raise_for_status().json()
        return runs


async def scheduled(client: httpx.AsyncClient, pool: str, every: timedelta) -> Ticks:
    """Deployed as our own workflows are: the tag is that by which the reconciler knows them."""
    flow = (await client.post("/flows/", json={"name": "ticks"})).raise_for_status().json()
    schedule = {
        "interval": every.total_seconds(),
        "anchor_date": datetime.now(UTC).isoformat(),
    }
    deployment = {
        "name": str(uuid4()),
        "flow_id": flow["id"],
        "work_pool_name": pool,
        "entrypoint": "tests.support.system.sample_flows.keep_nothing",
        "pull_steps": [],
        "tags": [TAG],
        "schedules": [{"schedule": schedule, "active": True}],
    }
    made = (await client.post("/deployments/", json=deployment)).raise_for_status().json()
    return Ticks(client, made["id"])


async def scheduled_in_time(client: httpx.AsyncClient, pool: str) -> Ticks:
    """As soon as a server takes it."""

    async def take() -> Ticks | None:
        with suppress(httpx.HTTPError):
            return await scheduled(client, pool, timedelta(hours=1))
        return None

    taken = await eventually(take, within_seconds=120, every_seconds=0.3)
    assert taken
    return taken


def _moment(run: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(run[name])
