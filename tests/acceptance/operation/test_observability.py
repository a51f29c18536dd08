"""One analysis through real processes, and what each of them reports of it on its port and in its
log.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from blocks.contracts import ids
from blocks.contracts.analysis import ANALYSIS_STEPS, WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.ports import NotFound
from tests.support.api.credentials import AnyTenant
from tests.support.factories import A_TENANT
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices, opportunity_event
from tests.support.system.orchestra import Orchestra, Process, on_rabbitmq, orchestra
from tests.support.waiting import eventually

TOKEN = "the token that reads metrics"
PREFIX = "workflow_orchestrator_"


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    telemetry = {
        "API_METRICS_PORT": str(free_port()),
        "LISTENER_METRICS_PORT": str(free_port()),
        "WORKER_METRICS_PORT": str(free_port()),
        "METRICS_BEARER_TOKEN": TOKEN,
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
    }
    async with orchestra(
        tmp_path, prefect_server, **on_rabbitmq(rabbitmq, tmp_path.name), **telemetry
    ) as parts:
        yield parts


async def test_every_process_reports_its_part_of_an_analysis(
    parts: Orchestra, services: AnalysisServices
) -> None:
    event = opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()))
    execution_id = ids.execution_id(A_TENANT, WORKFLOW, event.id)
    processes = {"listener": parts.listener, "worker": parts.worker, "api": parts.api}
    for process in processes.values():
        process.start()
    for name in processes:
        await answered(parts, name, "/ready", 200)

    await parts.bus.publish(event, event)
    record = await ended(parts, execution_id)

    listener, worker, api = [await metrics_of(parts, name) for name in processes]
    opened = {"event_type": "integration.opportunity.updated"}
    assert (1, 1) == tuple(
        listener[f"{PREFIX}intake_events_total", {**opened, "outcome": outcome}]
        for outcome in ("created", "duplicate")
    )
    assert 1 == listener[f"{PREFIX}executions_opened_total", {"workflow": WORKFLOW}]
    assert 1 == listener[f"{PREFIX}flow_runs_started_total", {"workflow": WORKFLOW}]
    queue = {"queue": parts.settings.rabbitmq.queue}
    # the event twice, and four answers
    assert 6 <= listener["rabbitmq_messages_consumed_total", queue]
    assert 1 == listener[f"{PREFIX}bus_consumer_registered", queue]
    for step in ANALYSIS_STEPS:
        labels = {"workflow": WORKFLOW, "step": step.name}
        assert 1 == worker[f"{PREFIX}steps_asked_total", {"step": step.name}]
        assert 1 == listener[f"{PREFIX}steps_ended_total", {**labels, "outcome": "completed"}]
    assert (
        1
        == worker[
            f"{PREFIX}executions_ended_total",
            {"workflow": WORKFLOW, "status": "completed", "code": "none"},
        ]
    )
    assert 1 == worker[f"{PREFIX}execution_wait_seconds_count", {"workflow": WORKFLOW}]
    for metrics in (listener, worker, api):
        assert 1 == metrics[f"{PREFIX}bus_connection_up", {"purpose": "publishing"}]
    for process in (parts.listener, parts.worker):
        known = known_of(lines_of(process), execution_id)
        assert {"tenantId": A_TENANT, "traceId": record.trace_id} == {
            name: known[name] for name in ("tenantId", "traceId")
        }
    assert record.flow_run_id == known_of(lines_of(parts.worker), execution_id)["flowRunId"]
    async with httpx.AsyncClient(auth=AnyTenant()) as client:
        address = f"http://127.0.0.1:{parts.settings.server.port}/api/v1/executions/{execution_id}"
        await client.get(address, headers={"X-Tenant-ID": A_TENANT, "X-Request-ID": "of-the-test"})

    async def the_request_is_logged() -> bool:  # its line is written when the answer is out
        asked = [line for line in lines_of(parts.api) if line.get("requestId") == "of-the-test"]
        return A_TENANT in {line.get("tenantId") for line in asked}

    await eventually(the_request_is_logged, within_seconds=10)
    assert TOKEN not in parts.listener.log + parts.worker.log + parts.api.log


@pytest.mark.long
async def test_a_listener_whose_broker_is_away_is_healthy_and_not_ready(
    parts: Orchestra, rabbitmq: RabbitMQNode
) -> None:
    parts.listener.start()
    await answered(parts, "listener", "/ready", 200)

    await asyncio.to_thread(rabbitmq.stop_app)
    try:
        readiness = await answered(parts, "listener", "/ready", 503)
        await answered(parts, "listener", "/health", 200)
        metrics = await metrics_of(parts, "listener")
    finally:
        await asyncio.to_thread(rabbitmq.start_app)

    assert "error" == readiness["checks"]["consumers"]["status"]
    assert 0 == metrics["workflow_orchestrator_bus_connection_up", {"purpose": "consuming"}]
    await answered(parts, "listener", "/ready", 200)


def lines_of(process: Process) -> list[dict[str, Any]]:
    """Its log: every line of it is a JSON object."""
    return [json.loads(line) for line in process.log.splitlines()]


def known_of(lines: list[dict[str, Any]], execution_id: str) -> dict[str, Any]:
    """What the log says of the execution, all its lines taken together."""
    of_it = [line for line in lines if line.get("executionId") == execution_id]
    assert of_it, [line["message"] for line in lines]
    return {name: value for line in of_it for name, value in line.items()}


async def test_a_process_that_cannot_start_logs_it_in_json_and_without_its_passwords(
    tmp_path: Path,
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    environment = {
        "ORCHESTRATOR_DATA_DIR": str(tmp_path),
        "RABBITMQ_URL": f"amqp://user:pass-of-the-broker@{nowhere}/",
        "PREFECT_API_URL": f"http://user:pass-of-prefect@{nowhere}/api",
        "STARTUP_WAIT_SECONDS": "0.1",
        "LOG_FORMAT": "json",
    }
    processes = [
        Process(name, {**os.environ, **environment}, tmp_path / f"{name}.log")
        for name in ("listener", "worker")
    ]
    for process in processes:
        process.start()
    for process in processes:
        await process.died()

    for process in processes:
        last = lines_of(process)[-1]
        assert (1, "CRITICAL") == (process.exit_code, last["level"])
        assert "did not come within 0.1 s" in last["message"]
        assert "user:***@" in process.log
        assert "pass-of" not in process.log


class Metrics:
    """What one process exported; a series that is not there is 0."""

    def __init__(self, text: str) -> None:
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __getitem__(self, series: tuple[str, Mapping[str, str]]) -> float:
        name, labels = series
        return self._samples.get((name, frozenset(labels.items())), 0.0)


def address_of(parts: Orchestra, name: str) -> str:
    settings = parts.settings
    ports = {
        "listener": settings.metrics.listener_port,
        "worker": settings.metrics.worker_port,
        "api": settings.metrics.api_port,
    }
    return f"http://127.0.0.1:{ports[name]}"


async def metrics_of(parts: Orchestra, name: str) -> Metrics:
    async with httpx.AsyncClient(base_url=address_of(parts, name)) as client:
        assert 401 == (await client.get("/metrics")).status_code
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        return Metrics(answer.raise_for_status().text)


async def answered(parts: Orchestra, name: str, path: str, status: int) -> dict[str, Any]:
    """What the process says there, once it says it with this status."""

    async def look() -> dict[str, Any] | None:
        try:
            async with httpx.AsyncClient(base_url=address_of(parts, name), timeout=10) as client:
                answer = await client.get(path)
        except httpx.HTTPError:
            return None
        body: dict[str, Any] = answer.json()
        return body if answer.status_code == status else None

    return await eventually(look, within_seconds=60) or {}


async def ended(parts: Orchestra, execution_id: str) -> ExecutionRecord:
    async def look() -> ExecutionRecord | None:
        try:
            record = (await parts.store.read(A_TENANT, ExecutionRecord, execution_id)).record
        except NotFound:
            return None
        return record if record.announced_at else None

    record = await eventually(look, within_seconds=60)
    assert record, parts.logs()
    return record
