"""Claim recovery: how soon a caller has its 200 for phase 4 while other journeys are triggered.

In the same run, at the same time, `GET /health` is asked: what it takes is the process and the
machine, and the rest is the trigger made durable.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import msgspec

from tests.benchmarks.http_load import connection, target
from tests.benchmarks.measurements.api import an_api_process
from tests.benchmarks.options import Options
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Stage
from tests.support.api.credentials import a_token, as_user

MATCHES = 10
JOURNEYS_PER_SECOND = 20
"""Of which each is triggered when it is due, whatever became of the one before."""

_P99_MS = 50


async def measure(stage: Stage, options: Options) -> Report:
    """One API process on the embedded store; N journeys are triggered at a constant rate."""
    journeys = options.count(1_000, 40)
    tenant_id = str(uuid4())
    headers = as_user(a_token("operator", tenant_id=tenant_id), tenant_id)
    async with an_api_process(stage.folder("phases")) as (url, _), _client(url, headers) as client:
        await _phase(client, 1, {"user_id": "warm"})
        began = time.monotonic()
        work = asyncio.create_task(_trigger_all(client, journeys))
        health, phase_4 = await asyncio.gather(_asked(url, work), _phases(client, work))
        await work
        rate = journeys / (time.monotonic() - began)
    figures = [
        Figure("journeys triggered", rate, "journeys/s"),
        *_figures("GET /health", health, None),
        *_figures("POST phase/4", phase_4, None if options.quick else _P99_MS),
    ]
    parameters = {
        "journeys": journeys,
        "journeys a second": JOURNEYS_PER_SECOND,
        "matches in a phase 4": MATCHES,
    }
    samples = [
        {"asked for": name, "times": len(seconds), "max_ms": max(seconds) * 1000}
        for name, seconds in (("health", health), ("phase 4", phase_4))
    ]
    return Report(
        "phases", "a trigger's 200 while journeys are triggered", parameters, figures, samples
    )


@asynccontextmanager
async def _client(url: str, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """As the platform's services call: httpx, a connection that is kept."""
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10) as client:
        yield client


async def _trigger_all(client: httpx.AsyncClient, count: int) -> None:
    began = time.monotonic()

    async def trigger(number: int) -> None:
        await asyncio.sleep(max(0.0, began + number / JOURNEYS_PER_SECOND - time.monotonic()))
        await _phase(client, 1, {"user_id": f"user-{number}", "sync_id": f"sync-{number}"})

    await asyncio.gather(*(trigger(number) for number in range(count)))


async def _phases(client: httpx.AsyncClient, work: asyncio.Task[None]) -> list[float]:
    """Seconds of each phase 4, one after the other, of ever other users."""
    measured: list[float] = []
    number = 0
    while not work.done() or len(measured) < MATCHES:
        number += 1
        body: dict[str, object] = {
            "user_id": f"matched-{number}",
            "sync_id": f"job-{number}",
            "matches": [_match(number, one) for one in range(MATCHES)],
        }
        began = time.perf_counter()
        await _phase(client, 4, body)
        measured.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    return measured


async def _asked(url: str, work: asyncio.Task[None]) -> list[float]:
    measured: list[float] = []
    async with connection(target(url, "/health", {})) as ask:
        while not work.done() or len(measured) < MATCHES:
            began = time.perf_counter()
            await ask()
            measured.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)
    return measured


async def _phase(client: httpx.AsyncClient, number: int, body: dict[str, object]) -> None:
    content = msgspec.json.encode(body)
    answer = await client.post(
        f"/api/v1/workflow/phase/{number}",
        content=content,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text


def _match(number: int, one: int) -> dict[str, object]:
    return {
        "claim_id": f"claim-{number}-{one}",
        "evidence_document_id": f"document-{one}",
        "confidence": 0.5 + one / 20,
        "match_type": "exact_invoice",
        "reasoning": "The invoice number is the order's",
    }


def _figures(name: str, seconds: list[float], p99_at_most: float | None) -> list[Figure]:
    return [
        Figure(f"{name}: p50", percentile(seconds, 50) * 1000, "ms"),
        Figure(f"{name}: p99", percentile(seconds, 99) * 1000, "ms", at_most=p99_at_most),
    ]
