"""The API: how many requests a second one process answers, and how fast it is at half of that."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from blocks.contracts.analysis import ANALYSIS_STEPS
from blocks.ports import RecordStore
from blocks.services import open_store
from blocks.settings import load_settings
from tests.benchmarks.http_load import Target, latencies, target, throughput
from tests.benchmarks.options import Options
from tests.benchmarks.percentiles import percentile
from tests.benchmarks.processes import Part
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.stage import Stage
from tests.support.api.credentials import ENVIRONMENT, a_token, as_user
from tests.support.factories import a_step, an_execution, now
from tests.support.servers.ports import free_port
from tests.support.waiting import eventually

CONNECTIONS = 32
_NO_LIMIT = "100000000"
"""Requests a minute: counted as ever, and never reached."""


async def measure(stage: Stage, options: Options) -> Report:
    """One API process on the embedded store; a tenant with 10,000 executions, of which a page of
    100 is listed.
    """
    count, seconds = options.count(10_000, 200), 1.0 if options.quick else 15.0
    async with an_api_process(stage.folder("api")) as (url, store):
        tenant_id = str(uuid4())
        one = await _fill(store, tenant_id, count)
        headers = as_user(a_token("viewer", tenant_id=tenant_id), tenant_id)
        paths = {
            "a page of 100 executions": "/api/v1/executions?limit=100",
            "one execution": f"/api/v1/executions/{one}",
        }
        samples = [
            {"asked for": name, **await _measured(target(url, path, headers), seconds)}
            for name, path in paths.items()
        ]
    figures = [
        figure
        for sample in samples
        for figure in _figures(sample, 50 if not options.quick else None)
    ]
    parameters = {"executions": count, "connections": CONNECTIONS, "seconds": seconds}
    return Report(
        "api", "requests a second, and their latency at half of that", parameters, figures, samples
    )


@asynccontextmanager
async def an_api_process(folder: Path) -> AsyncIterator[tuple[str, RecordStore]]:
    """The URL of an API process, which reads without a Prefect server, and its store."""
    variables = {
        **ENVIRONMENT,
        "ORCHESTRATOR_DATA_DIR": str(folder),
        "PORT": str(free_port()),
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "REQUESTS_PER_MINUTE": _NO_LIMIT,
    }
    settings = load_settings(variables)
    url = f"http://127.0.0.1:{settings.server.port}"
    part = Part("api", ("deployments.cli", "api"), {**os.environ, **variables}, folder)
    async with open_store(settings) as store:
        await store.provision()
        part.start()
        try:
            await eventually(lambda: _answers(url), within_seconds=60)
            yield url, store
        finally:
            part.stop()


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient() as client:
        with suppress(httpx.HTTPError):
            return (await client.get(f"{url}/health")).status_code == 200
    return False


async def _fill(store: RecordStore, tenant_id: str, count: int) -> str:
    """Executions that have completed, with their steps; returns the id of one."""
    began = now() - timedelta(hours=1)
    for start in range(0, count, 100):
        await asyncio.gather(
            *(
                store.create(
                    tenant_id,
                    an_execution(
                        tenant_id=tenant_id,
                        status="completed",
                        created_at=began + timedelta(milliseconds=number),
                        started_at=began,
                        completed_at=began,
                        announced_at=began,
                        results={step.result_key: {"confidence": 0.77} for step in ANALYSIS_STEPS},
                    ),
                )
                for number in range(start, start + 100)
            )
        )
    last = an_execution(tenant_id=tenant_id, status="completed", completed_at=now())
    await store.create(tenant_id, last)
    for step in ANALYSIS_STEPS:
        await store.create(
            tenant_id, a_step(tenant_id=tenant_id, execution_id=last.id, step=step.name)
        )
    return last.id


async def _measured(asked: Target, seconds: float) -> dict[str, float]:
    await throughput(asked, CONNECTIONS, seconds / 5)  # warm
    most = await throughput(asked, CONNECTIONS, seconds)
    at_half = await latencies(asked, CONNECTIONS, most / 2, seconds)
    return {
        "per_second": most,
        "half_p50_ms": percentile(at_half, 50) * 1000,
        "half_p99_ms": percentile(at_half, 99) * 1000,
        "half_max_ms": max(at_half) * 1000,
    }


def _figures(sample: Mapping[str, Any], p99_at_most: float | None) -> list[Figure]:
    name = sample["asked for"]
    return [
        Figure(f"{name}: at most", sample["per_second"], "requests/s"),
        Figure(f"{name}: p50 at half of that", sample["half_p50_ms"], "ms"),
        Figure(f"{name}: p99 at half of that", sample["half_p99_ms"], "ms", at_most=p99_at_most),
    ]
