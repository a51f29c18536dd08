"""Prefect's database is dropped in the middle of 200 open executions, with processes at work."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from tests.acceptance.failures.disasters.droppable import DroppablePrefect
from tests.acceptance.failures.disasters.scene import (
    all_are,
    all_suspended,
    approve,
    in_words,
    orchestrator,
)
from tests.support.analyses import a_large_deal, an_opportunity
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.invariants import done_once
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, on_rabbitmq, whole_orchestra

pytestmark = pytest.mark.long

SUSPENDED, RUNNING, DISPATCHED, ARRIVING = 40, 100, 40, 20
"""Open executions: awaiting a person; waiting for answers; in a flow run that no worker has begun;
and those of events that come while there is no Prefect.
"""


@pytest.fixture
async def parts(
    tmp_path: Path, prefect: DroppablePrefect, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    on = {
        "DISPATCH_OPEN_SECONDS": "0",  # what is to be pending would join the run that is under way
        "HITL_APPROVALS_ENABLED": "true",
        **on_rabbitmq(rabbitmq, tmp_path.name),
    }
    async with whole_orchestra(tmp_path, prefect, **on) as parts:
        for process in (parts.api, parts.listener, parts.worker, parts.another_worker):
            process.start()
        yield parts


async def test_two_hundred_open_executions_outlive_prefects_database_and_end_once(
    parts: Orchestra,
    prefect: DroppablePrefect,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
) -> None:
    suspended = [a_large_deal() for _ in range(SUSPENDED)]
    running, dispatched, arriving = (
        [an_opportunity() for _ in range(count)] for count in (RUNNING, DISPATCHED, ARRIVING)
    )
    await parts.bus.publish(*suspended)
    await all_are(parts, suspended, "awaiting_approval")
    await all_suspended(parts, flow_runs)
    services.silent.update(REQUESTED)
    await parts.bus.publish(*running)
    await all_are(parts, running, "running")
    await prefect.pause(parts.settings.prefect.work_pool)
    await parts.bus.publish(*dispatched)
    await all_are(parts, dispatched, "pending")
    before = await kept_in(prefect)

    parts.another_worker.kill()
    await prefect.lose()
    await parts.bus.publish(*arriving)
    await all_are(parts, arriving, "pending")
    began = time.monotonic()
    await asyncio.to_thread(prefect.start)
    await orchestrator(parts, "bootstrap")
    parts.another_worker.start()
    up = time.monotonic()
    assert before == await kept_in(prefect)
    await services.speak()
    await all_are(parts, [*running, *dispatched, *arriving], "completed")
    ended = time.monotonic()
    await all_suspended(parts, flow_runs)
    suspended_at = time.monotonic()
    await approve(parts, flow_runs, suspended)
    await all_are(parts, suspended, "completed")

    figures = {
        "server and bootstrap": up - began,
        "all others ended": ended - began,
        "suspended again": suspended_at - began,
        "all ended": time.monotonic() - began,
    }
    print(in_words(figures))  # noqa: T201
    await done_once(parts, ledger, [*suspended, *running, *dispatched, *arriving])
    assert 200 == len(await ledger.published(*TERMINAL, count=200))
    assert SUSPENDED == len(ledger.of("hitl.approval.requested"))


async def kept_in(prefect: DroppablePrefect) -> dict[str, Any]:
    """What `orchestrator bootstrap` has put into Prefect."""
    with temporary_settings({PREFECT_API_URL: prefect.api_url}):
        async with get_client() as client:
            return {
                "deployments": {one.name: _schedules(one) for one in await _deployments(client)},
                "pools": [(one.name, one.type) for one in await client.read_work_pools()],
                "automations": sorted(one.name for one in await client.read_automations()),
                "blocks": sorted(str(one.name) for one in await client.read_block_documents()),
            }


async def _deployments(client: PrefectClient) -> Any:
    return await client.read_deployments(limit=200)


def _schedules(deployment: Any) -> list[tuple[str, bool]]:
    return [(one.schedule.cron, one.active) for one in deployment.schedules]
