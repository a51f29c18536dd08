"""Servers: what callers, schedules and events notice when one of two Prefect servers is gone, or
what both share.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from tests.benchmarks.options import Options
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Stage
from tests.support.scale.shared_parts import OUTAGES, Act, SharedParts, shared_parts
from tests.support.waiting import eventually

_PAUSE_SECONDS = 0.3
_BEFORE_SECONDS, _AWAY_SECONDS, _AFTER_SECONDS = 3.0, 15.0, 25.0
_STORED_SECONDS = 30.0
_ANSWER_SECONDS = 5.0
"""A caller that waits longer than this for a read counts it as failed."""


async def measure(stage: Stage, options: Options) -> Report:
    """Four callers and three events a second through HAProxy, each kind of failure in turn, on
    servers that are whole again; what they share is gone for 15 seconds.
    """
    async with shared_parts(stage.folder("servers")) as shared:
        samples = [
            await _broken(shared, name, do, undo)
            for _ in range(options.turns(3))
            for name, (do, undo) in _FAILURES.items()
        ]
    parameters = {"servers": 2, "callers": 4, "event_every_seconds": _PAUSE_SECONDS}
    figures = [figure for name in _FAILURES for figure in _figures(name, samples)]
    return Report("servers", "one of two Prefect servers dies", parameters, figures, samples)


def _figures(name: str, samples: list[dict[str, Any]]) -> list[Figure]:
    ones = [sample for sample in samples if sample["failure"] == name]
    limit = None if name in OUTAGES else 15
    longest = {key: max(one[key] for one in ones) for key in ones[0] if key != "failure"}
    return [
        Figure(
            f"{name}: requests failed until",
            longest["failed_until_seconds"],
            "s",
            at_most=limit,
        ),
        Figure(f"{name}: requests that failed, at most", longest["requests_failed"], ""),
        Figure(f"{name}: a new schedule's runs exist after", longest["scheduled_seconds"], "s"),
        Figure(f"{name}: events accepted and lost, at most", longest["events_lost"], ""),
    ]


# --- the failures ---------------------------------------------------------------------------------


def _kill(shared: SharedParts) -> None:
    shared.servers.members[0].kill()


def _stop(shared: SharedParts) -> None:
    shared.servers.members[0].stop()


def _freeze(shared: SharedParts) -> None:
    os.kill(shared.servers.members[0].pid, signal.SIGSTOP)


def _thaw(shared: SharedParts) -> None:
    os.kill(shared.servers.members[0].pid, signal.SIGCONT)


def _start(shared: SharedParts) -> None:
    shared.servers.start()


def _nothing(_: SharedParts) -> None:
    pass


def _for_a_while(begin: Act, end: Act) -> Act:
    def away(shared: SharedParts) -> None:
        begin(shared)
        time.sleep(_AWAY_SECONDS)
        end(shared)

    return away


_FAILURES: dict[str, tuple[Act, Act]] = {
    "healthy": (_nothing, _nothing),
    "killed": (_kill, _start),
    "hangs": (_freeze, _thaw),
    "restarted": (_stop, _start),
    **{name: (_for_a_while(*outage), _nothing) for name, outage in OUTAGES.items()},
}
"""What is done, and what makes them whole again: of one server, or of what both share."""


async def _broken(shared: SharedParts, name: str, do: Act, undo: Act) -> dict[str, Any]:
    """What was noticed from the failure on, while it lasted."""
    servers = shared.servers
    noticed = _Noticed()
    async with httpx.AsyncClient(base_url=servers.api_url, timeout=_ANSWER_SECONDS) as client:
        async with _callers(client, noticed), _events(client, noticed):
            await asyncio.sleep(_BEFORE_SECONDS)
            began = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(do, shared))
            scheduled = asyncio.create_task(_scheduled_after(client))
            await asyncio.sleep(_AFTER_SECONDS)
            await stopping
            scheduled_seconds = await scheduled
        await asyncio.to_thread(undo, shared)
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
