"""Journeys: many users at once are onboarded, and each is carried from phase 1 to phase 4."""

import asyncio
import time
from typing import Any

import httpx

from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.contracts.roles import ROLES
from blocks.queries import every
from tests.benchmarks.caller import calling
from tests.benchmarks.options import Options
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.processes import memory_bytes, processor_seconds
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Database, Stage
from tests.support.api.credentials import a_service_token
from tests.support.factories import A_TENANT
from tests.support.journeys.system import JourneySystem, journey_system
from tests.support.waiting import eventually

_LIMIT_SECONDS = 900
_CALLERS = 32
_CALLS_PER_SECOND = 4.0
CLAIMS_PER_USER = 3
"""One is submitted, one is asked about, one is for review."""


async def measure(stage: Stage, options: Options) -> Report:
    """One process each; every user has a journey, and the simulated services answer at once. A
    request lasts until its caller has the 200, while journeys are being carried; the lone caller,
    in a process of its own, triggers journeys of its own.
    """
    count = options.count(1_000, 5)
    database: Database = "sqlite" if options.quick else "postgresql"
    async with (
        stage.prefect(database) as server,
        journey_system(
            stage.folder("journeys"), server, CLAIMS_PER_USER, RECONCILER_INTERVAL_SECONDS="10"
        ) as system,
    ):
        system.start()
        await system.trigger(1, user_id="warm-up", sync_id="warm-up")
        await system.rests("warm-up", "warm-up", "waiting")
        sample = await _onboarded(system, count)
    figures = [
        Figure("journeys to phase 4", sample["per_second"], "journeys/s"),
        Figure(f"a request of {_CALLERS} callers, p99", sample["request_p99_ms"], "ms"),
        Figure("then a request of a lone caller, p50", sample["lone_p50_ms"], "ms"),
        Figure("then a request of a lone caller, p99", sample["lone_p99_ms"], "ms"),
        Figure("a phase, p95", sample["phase_p95_ms"], "ms"),
        *(
            Figure(f"processor per journey, {name}", seconds * 1000 / sample["journeys"], "ms")
            for name, seconds in sample["processor_seconds"].items()
        ),
        Figure("worker's memory, highest", sample["worker_mb"], "MB"),
    ]
    parameters = {"journeys": count, "claims": CLAIMS_PER_USER, "callers": _CALLERS}
    return Report("journeys", "onboardings at once, to phase 4", parameters, figures, [sample])


async def _onboarded(system: JourneySystem, count: int) -> dict[str, Any]:
    parts = system.parts
    pids = {process.name: process.pid for process in (parts.listener, parts.worker, parts.api)}
    before = {name: processor_seconds(pid) for name, pid in pids.items()}
    began, highest = time.monotonic(), 0
    lasted = await _send(system.client, count)

    async def most_rest() -> bool:
        nonlocal highest
        highest = max(highest, memory_bytes(pids["worker"]))
        return await parts.store.count(A_TENANT, ExecutionRecord, {"status": "waiting"}) >= count

    async def all_rest() -> bool:
        moving = {"status": ("pending", "running")}
        return not await parts.store.count(A_TENANT, ExecutionRecord, moving)

    token = a_service_token(*ROLES, tenant_id=A_TENANT)
    headers = {"X-Tenant-ID": A_TENANT, "Authorization": f"Bearer {token}"}
    caller = await calling(str(system.client.base_url), headers, _CALLS_PER_SECOND)
    await eventually(most_rest, within_seconds=_LIMIT_SECONDS, every_seconds=0.5)
    lone = await caller.end()
    await eventually(all_rest, within_seconds=_LIMIT_SECONDS, every_seconds=0.2)
    seconds = time.monotonic() - began
    return {
        "journeys": count + len(lone),
        "per_second": (count + len(lone)) / seconds,
        "requests_after": max(end for _, end in lasted) - began,
        "request_p50_ms": percentile([took for took, _ in lasted], 50) * 1000,
        "request_p99_ms": percentile([took for took, _ in lasted], 99) * 1000,
        "lone_requests": len(lone),
        "lone_p50_ms": percentile(lone, 50) * 1000,
        "lone_p99_ms": percentile(lone, 99) * 1000,
        "phase_p95_ms": percentile(await _phases(system), 95),
        "attempts": await _attempts(system),
        "worker_mb": highest / 1e6,
        "processor_seconds": {
            name: processor_seconds(pid) - before[name] for name, pid in pids.items()
        },
    }


async def _send(client: httpx.AsyncClient, count: int) -> list[tuple[float, float]]:
    """How long each request took, and when it was over."""
    turn = asyncio.Semaphore(_CALLERS)

    async def one(number: int) -> tuple[float, float]:
        async with turn:
            return await _request(client, number)

    return list(await asyncio.gather(*map(one, range(count))))


async def _request(client: httpx.AsyncClient, number: int) -> tuple[float, float]:
    began = time.monotonic()
    body = {"user_id": f"user-{number}", "seller_id": "s", "sync_id": f"sync-{number}"}
    answer = await client.post("/api/v1/workflow/phase/1", json=body)
    answer.raise_for_status()
    return time.monotonic() - began, time.monotonic()


async def _phases(system: JourneySystem) -> list[float]:
    """The durations, in milliseconds."""
    found = [stored.record async for stored in every(system.parts.store, A_TENANT, PhaseRecord)]
    assert {"completed"} == {phase.status for phase in found}
    return [float(phase.duration_ms or 0) for phase in found]


async def _attempts(system: JourneySystem) -> float:
    """Attempts of all journeys: more than there are journeys if some were dispatched again."""
    attempts = [
        stored.record.attempt
        async for stored in every(system.parts.store, A_TENANT, ExecutionRecord)
    ]
    return float(sum(attempts))
