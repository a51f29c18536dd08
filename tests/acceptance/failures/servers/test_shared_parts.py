"""What two Prefect servers share is gone for a quarter of a minute, in the middle of the work."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from deployments.local.readiness import api_url
from tests.acceptance.failures.servers.at_work import (
    TICK_EVERY,
    Arrivals,
    Ticks,
    scheduled,
    scheduled_in_time,
)
from tests.support.scale.shared_parts import OUTAGES, SharedParts, shared_parts
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.invariants import done_once
from tests.support.system.ledger import Ledger
from tests.support.system.orchestra import Orchestra, on_rabbitmq, orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

AWAY_SECONDS = 15.0
AFTER_SECONDS = 10.0
LONGER_AWAY_SECONDS = 40
"""Longer than five writes, five seconds apart: then Prefect gives events up by default."""
RECOVERED_WITHIN_SECONDS = 240.0
"""On a machine that other programs keep busy; on a quiet one it is seconds."""

SHOWN_BY = {
    "Redis killed": "listener",
    "Redis hangs": "listener",
    "PostgreSQL killed": "prefect",
    "PostgreSQL hangs": "prefect",
}
"""The check of the API's `/ready`: without Redis, servers answer and make no flow run."""


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[SharedParts]:
    async with shared_parts(tmp_path) as shared:
        yield shared


@pytest.fixture
async def parts(
    tmp_path: Path, shared: SharedParts, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    (folder := tmp_path / "system").mkdir()
    on = on_rabbitmq(rabbitmq, tmp_path.name)
    async with orchestra(folder, shared.servers, **on) as parts:
        for process in (parts.api, parts.listener, parts.worker, parts.another_worker):
            process.start()
        yield parts


@pytest.mark.parametrize("outage", OUTAGES)
async def test_what_came_meanwhile_ends_once_and_schedules_go_on_without_a_restart(
    shared: SharedParts, parts: Orchestra, ledger: Ledger, services: AnalysisServices, outage: str
) -> None:
    begin, end = OUTAGES[outage]
    pool, arrivals = parts.settings.prefect.work_pool, Arrivals(parts)
    pids = [member.pid for member in shared.servers.members]
    async with httpx.AsyncClient(base_url=shared.servers.api_url, timeout=10) as client:
        ticks = await scheduled(client, pool, TICK_EVERY)
        async with arrivals.coming():
            await recovered(parts, arrivals, 10)
            before = datetime.now(UTC)
            await asyncio.to_thread(begin, shared)
            shown = await problems_shown(parts, AWAY_SECONDS)
            await asyncio.to_thread(end, shared)
            after = datetime.now(UTC)
            began = time.monotonic()
            new_ticks = await scheduled_in_time(client, pool)
            await eventually(new_ticks.exist, within_seconds=RECOVERED_WITHIN_SECONDS)
            new_schedule = time.monotonic() - began
            await asyncio.sleep(AFTER_SECONDS)
        await recovered(parts, arrivals)
        await have_run(parts, ticks, before, after)
        await eventually(lambda: is_ready(parts), within_seconds=RECOVERED_WITHIN_SECONDS)
        latest_tick = await ticks.lateness(before, after)

    waits = {
        of_whom: max(await arrivals.seconds_to_end(of_whom, before, after))
        for of_whom in ("at work", "new")
    }
    print(  # noqa: T201
        f"{outage} for {(after - before).total_seconds():.0f} s: of tenants at work, ended after "
        f"{waits['at work']:.1f} s at most, of new ones {waits['new']:.1f} s; a tick late by "
        f"{latest_tick:.1f} s; a new schedule has runs {new_schedule:.1f} s after; shown: {shown}"
    )
    assert outage not in SHOWN_BY or SHOWN_BY[outage] in shown
    assert pids == [member.pid for member in shared.servers.members if member.is_running]
    by_tenant = defaultdict(list)
    for tenant_id, event in arrivals.events:
        by_tenant[tenant_id].append(event)
    for tenant_id, events in by_tenant.items():
        for execution in await done_once(parts, ledger, events, tenant_id=tenant_id):
            assert "completed" == execution.status


async def test_events_that_came_while_postgresql_was_away_are_written_after_it(
    shared: SharedParts,
) -> None:
    accepted: list[str] = []
    async with httpx.AsyncClient(base_url=shared.servers.api_url, timeout=10) as client:

        async def are_written() -> bool:
            since = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
            wanted = {"event": {"name": ["tests.servers"]}, "occurred": {"since": since}}
            found = await client.post("/events/filter", json={"filter": wanted, "limit": 50})
            return found.is_success and set(accepted) <= {
                event["id"] for event in found.json()["events"]
            }

        await asyncio.to_thread(shared.postgres.kill)
        for _ in range(LONGER_AWAY_SECONDS):
            accepted.append(id := str(uuid4()))
            event = {
                "id": id,
                "occurred": datetime.now(UTC).isoformat(),
                "event": "tests.servers",
                "resource": {"prefect.resource.id": "tests.servers"},
            }
            (await client.post("/events", json=[event])).raise_for_status()
            await asyncio.sleep(1)
        await asyncio.to_thread(shared.postgres.start)

        await eventually(are_written, within_seconds=RECOVERED_WITHIN_SECONDS, every_seconds=1)


async def recovered(parts: Orchestra, arrivals: Arrivals, count: int | None = None) -> None:
    """So many executions have ended, or all; with the processes' logs if they never did."""

    async def have_ended() -> bool:
        return await arrivals.have_ended(count)

    try:
        await eventually(have_ended, within_seconds=RECOVERED_WITHIN_SECONDS, every_seconds=0.2)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{parts.logs()}") from None


async def have_run(parts: Orchestra, ticks: Ticks, since: datetime, until: datetime) -> None:
    """Each tick of this time has run; with what became of them if one never did."""
    try:
        await eventually(
            lambda: ticks.have_run(since, until), within_seconds=RECOVERED_WITHIN_SECONDS
        )
    except AssertionError as error:
        states = [run["state"] for run in await ticks.due(since, until)]
        raise AssertionError(f"{error}\n{states}\n{parts.logs()}") from None


async def problems_shown(parts: Orchestra, seconds: float) -> dict[str, float]:
    """What `/ready` of the API names in this time, each with the second in which it first did."""
    shown: dict[str, float] = {}
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        for name in await problems(parts):
            shown.setdefault(name, round(elapsed, 1))
        await asyncio.sleep(1)
    return shown


async def is_ready(parts: Orchestra) -> bool:
    return not await problems(parts)


async def problems(parts: Orchestra) -> dict[str, str]:
    async with httpx.AsyncClient(timeout=10) as client:
        checks = (await client.get(f"{api_url(parts.settings)}/ready")).json()["checks"]
    return {name: check["detail"] for name, check in checks.items() if check["status"] != "ok"}
