"""Servers: what callers, schedules and events notice when one of two Prefect servers is gone."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from tests.benchmarks.options import Options
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Stage
from tests.support.operations.redis_server import RedisServer
from tests.support.scale.prefect_servers import PrefectServers
from tests.support.waiting import eventually

_PAUSE_SECONDS = 0.3
_BEFORE_SECONDS, _AFTER_SECONDS = 3.0, 20.0
_STORED_SECONDS = 30.0
_ANSWER_SECONDS = 5.0
"""A caller that waits longer than this for a read counts it as failed."""


async def measure(stage: Stage, options: Options) -> Report:
    """Four callers and three events a second through HAProxy, each kind of failure in turn, on
    servers that are whole again.
    """
    redis = RedisServer()
    redis.start()
    folder = stage.folder("servers")
    servers = PrefectServers(folder, stage.postgres.create_database(folder.name), redis)
    try:
        await asyncio.to_thread(servers.start)
        samples = [
            await _broken(servers, name, do, undo)
            for _ in range(options.turns(3))
            for name, (do, undo) in _FAILURES.items()
        ]
    finally:
        await asyncio.to_thread(servers.close)
        redis.kill()
    parameters = {"servers": 2, "callers": 4, "event_every_seconds": _PAUSE_SECONDS}
    figures = [figure for name in _FAILURES for figure in _figures(name, samples)]
    return Report("servers", "one of two Prefect servers dies", parameters, figures, samples)


def _figures(name: str, samples: list[dict[str, Any]]) -> list[Figure]:
    ones = [sample for sample in samples if sample["failure"] == name]
    longest = {key: max(one[key] for one in ones) for key in ones[0] if key != "failure"}
    return [
        Figure(f"{name}: requests failed until", longest["failed_until_seconds"], "s", at_most=15),
        Figure(f"{name}: requests that failed, at most", longest["requests_failed"], ""),
        Figure(f"{name}: a new schedule's runs exist after", longest["scheduled_seconds"], "s"),
        Figure(f"{name}: events accepted and lost, at most", longest["events_lost"], ""),
    ]


# --- the failures ---------------------------------------------------------------------------------


def _kill(servers: PrefectServers) -> None:
    servers.members[0].kill()


def _stop(servers: PrefectServers) -> None:
    servers.members[0].stop()


def _freeze(servers: PrefectServers) -> None:
    os.kill(servers.members[0].pid, signal.SIGSTOP)


def _thaw(servers: PrefectServers) -> None:
    os.kill(servers.members[0].pid, signal.SIGCONT)


Act = Callable[[PrefectServers], None]
_FAILURES: dict[str, tuple[Act, Act]] = {
    "healthy": (lambda servers: None, lambda servers: None),
    "killed": (_kill, PrefectServers.start),
    "hangs": (_freeze, _thaw),
    "restarted": (_stop, PrefectServers.start),
}


async def _broken(servers: PrefectServers, name: str, do: Act, undo: Act) -> dict[str, Any]:
    """What was noticed from the failure on, while it lasted."""
    noticed = _Noticed()
    async with httpx.AsyncClient(base_url=servers.api_url, timeout=_ANSWER_SECONDS) as client:
        async with _callers(client, noticed), _events(client, noticed):
            await asyncio.sleep(_BEFORE_SECONDS)
            began = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(do, servers))
            scheduled = asyncio.create_task(_scheduled_after(client))
            await asyncio.sleep(_AFTER_SECONDS)
            await stopping
            scheduled_seconds = await scheduled
        await asyncio.to_thread(undo, servers)
    lost = await _lost(servers.api_url, noticed.accepted)
    failed = [at - began for at in noticed.failed if at >= began]
    return {
        "failure": name,
        "failed_until_seconds": max(failed, default=0.0),
        "requests_failed": len(failed),
        "requests": noticed.requests,
        "scheduled_seconds": scheduled_seconds,
        "events_lost": len(lost),
        "events": len(noticed.accepted),
    }


class _Noticed:
    def __init__(self) -> None:
        self.requests = 0
        self.failed: list[float] = []
        """When each failed request had begun."""
        self.accepted: list[str] = []
        """Ids of the events that a server has taken."""


@asynccontextmanager
async def _callers(client: httpx.AsyncClient, noticed: _Noticed) -> AsyncIterator[None]:
    """Four that read from the database, one request after the other, and try nothing twice."""

    async def call() -> None:
        while True:
            began = time.monotonic()
            noticed.requests += 1
            if not await _is_answered(client, "/flow_runs/count", {}):
                noticed.failed.append(began)
            await asyncio.sleep(_PAUSE_SECONDS)

    async with _running(*(call() for _ in range(4))):
        yield


@asynccontextmanager
async def _events(client: httpx.AsyncClient, noticed: _Noticed) -> AsyncIterator[None]:
    async def emit() -> None:
        while True:
            id = str(uuid4())
            if await _is_answered(client, "/events", [_event(id)]):
                noticed.accepted.append(id)
            await asyncio.sleep(_PAUSE_SECONDS)

    async with _running(emit()):
        yield


@asynccontextmanager
async def _running(*work: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _is_answered(client: httpx.AsyncClient, path: str, body: object) -> bool:
    with suppress(httpx.HTTPError):
        return (await client.post(path, json=body)).is_success
    return False


def _event(id: str) -> dict[str, Any]:
    return {
        "id": id,
        "occurred": datetime.now(UTC).isoformat(),
        "event": "benchmark.servers",
        "resource": {"prefect.resource.id": "benchmark.servers"},
        "payload": {},
    }


async def _scheduled_after(client: httpx.AsyncClient) -> float:
    """Seconds until the scheduler has made the runs of a deployment that is new now."""
    deployment_id = await _until_answered(lambda: _deploy(client))
    began = time.monotonic()

    async def has_runs() -> bool:
        wanted = {"deployments": {"id": {"any_": [deployment_id]}}}
        with suppress(httpx.HTTPError):
            return bool((await client.post("/flow_runs/count", json=wanted)).json())
        return False

    await eventually(has_runs, within_seconds=400, every_seconds=0.2)
    return time.monotonic() - began


async def _deploy(client: httpx.AsyncClient) -> str:
    flow = (await client.post("/flows/", json={"name": "benchmark"})).raise_for_status().json()
    schedule = {"interval": 3600, "anchor_date": datetime.now(UTC).isoformat()}
    deployment = {
        "name": str(uuid4()),
        "flow_id": flow["id"],
        "schedules": [{"schedule": schedule, "active": True}],
    }
    made = (await client.post("/deployments/", json=deployment)).raise_for_status()
    return str(made.json()["id"])


async def _until_answered(ask: Any) -> Any:
    while True:
        with suppress(httpx.HTTPError):
            return await ask()
        await asyncio.sleep(_PAUSE_SECONDS)


async def _lost(api_url: str, accepted: list[str]) -> set[str]:
    """Those that were accepted and are not in the database, after time enough."""
    missing = set(accepted)

    async def none_is_missing() -> bool:
        since = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
        for chunk in [list(missing)[at : at + 50] for at in range(0, len(missing), 50)]:
            wanted = {"filter": {"id": {"id": chunk}, "occurred": {"since": since}}, "limit": 50}
            answer = (await client.post("/events/filter", json=wanted)).raise_for_status()
            missing.difference_update(event["id"] for event in answer.json()["events"])
        return not missing

    async with httpx.AsyncClient(base_url=api_url, timeout=60) as client:
        with suppress(AssertionError):
            await eventually(none_is_missing, within_seconds=_STORED_SECONDS, every_seconds=1)
    return missing
