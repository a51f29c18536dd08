"""The doctor looks at real processes: well when they are, and right about which part is not."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from tests.support.factories import A_TENANT, a_tenant_record, an_execution
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.orchestra import Orchestra, on_rabbitmq, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path, prefect_server, **on_rabbitmq(rabbitmq, tmp_path.name)
    ) as parts:
        yield parts


async def doctor(
    parts: Orchestra, *arguments: str, **environment: str
) -> tuple[int, dict[str, Any]]:
    """The exit code and the report."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "deployments.cli", "doctor", "--json", *arguments],
        env={**parts.environment, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "" == done.stderr
    return done.returncode, json.loads(done.stdout)


def parts_that(report: dict[str, Any], state: str) -> set[str]:
    return {finding["part"] for finding in report["findings"] if finding["state"] == state}


async def test_the_doctor_finds_what_is_wrong_and_nothing_else(parts: Orchestra) -> None:
    for process in (parts.api, parts.listener, parts.worker):
        process.start()

    async def nothing_failed() -> dict[str, Any] | None:
        code, report = await doctor(parts)
        return report if code < 2 else None

    report = await eventually(nothing_failed, within_seconds=120)
    assert report
    # Nothing reads the batch jobs' queue here: those workers are another system's.
    assert {"queues"} == parts_that(report, "warning")
    [broker] = [finding["found"] for finding in report["findings"] if finding["part"] == "broker"]
    assert broker.startswith("RabbitMQ 3.")

    for process in (parts.api, parts.listener, parts.worker):
        process.kill()
    somewhere_else = f"http://127.0.0.1:{free_port()}/api"
    code, report = await doctor(
        parts, PREFECT_API_URL=somewhere_else, RABBITMQ_URL=f"amqp://127.0.0.1:{free_port()}/"
    )

    assert 2 == code
    assert {"Prefect server", "broker"} <= parts_that(report, "failed")

    async def all_are_missed() -> bool:
        _, report = await doctor(parts)
        return {"reconciler", "listeners", "workers", "queues"} <= parts_that(report, "failed")

    await eventually(all_are_missed, within_seconds=120)


async def test_the_doctor_repairs_when_asked_also_without_an_api(parts: Orchestra) -> None:
    long_ago = utc_now() - timedelta(minutes=10)
    owed = an_execution(
        status="completed", completed_at=long_ago, updated_at=long_ago, results={"risk": {}}
    )
    await parts.store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    await parts.store.create(A_TENANT, owed)

    _, before = await doctor(parts)
    _, after = await doctor(parts, "--fix")

    assert ("executions" in parts_that(before, "failed"), "repairs" in before) == (True, False)
    assert ("executions" in parts_that(after, "failed"), after["repairs"]["unannounced"]) == (
        False,
        1,
    )
    assert (await parts.store.read(A_TENANT, ExecutionRecord, owed.id)).record.announced_at
