"""The automation "a run failed", switched on as docs/prefect-deploying.md describes: an operator is
notified once of each run that fails or is refused, in words that name it.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Query
from tests.support.factories import A_TENANT, new_id
from tests.support.notifications.automations import (
    FAILED_RUN,
    NOTIFICATION_BLOCK,
    notification_block,
    notifications,
    runs_named,
    without_automations,
)
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.webhook_receiver import Receiver
from tests.support.system.analysis_services import AnalysisServices, foreign_event
from tests.support.system.orchestra import Orchestra, bootstrap, undeployed_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

PREFECT = Path(sys.executable).with_name("prefect")
RISK = "workflow.risk.analysis.requested"
UNKNOWN = new_id()
"""No execution."""


@pytest.fixture
async def prefect(prefect_server: PrefectServer) -> AsyncIterator[PrefectClient]:
    async with without_automations(prefect_server) as client:
        yield client


@pytest.fixture
async def on_call(prefect: PrefectClient) -> AsyncIterator[Receiver]:
    async with notification_block() as receiver:
        yield receiver


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, on_call: Receiver
) -> AsyncIterator[Orchestra]:
    async with undeployed_orchestra(
        tmp_path, prefect_server, PREFECT_NOTIFICATION_BLOCK=NOTIFICATION_BLOCK
    ) as parts:
        await bootstrap(parts)
        parts.listener.start()
        parts.worker.start()
        yield parts


async def test_each_run_that_fails_or_is_refused_notifies_once_and_in_words(
    parts: Orchestra, prefect: PrefectClient, on_call: Receiver, services: AnalysisServices
) -> None:
    await started_and_ended(prefect, execution_ids=[UNKNOWN])  # while it is off
    await switch_on(parts)

    await started_and_ended(prefect, opportunity_id="006-in-order")
    refused = await started_and_ended(prefect, execution_ids=[UNKNOWN])
    await on_call.has_received(1)
    services.silent.add(RISK)
    failed = await started(prefect, opportunity_id="006-failing")
    await fail(parts, services)
    await on_call.has_received(2)
    refused_again = await started_and_ended(prefect, execution_ids=[UNKNOWN])
    await on_call.has_received(3)

    sent = notifications(on_call)
    assert [FAILED_RUN] * 3 == [one["subject"] for one in sent]
    execution = await execution_of(parts, "006-failing")
    assert [
        f"Flow run {refused.name} is Refused. its tenant has no execution {UNKNOWN}",
        "Flow run Opportunity 006-failing is Failed. "
        f"step-failed: no model (execution {execution.id})",
        f"Flow run {refused_again.name} is Refused. its tenant has no execution {UNKNOWN}",
    ] == [one["body"].splitlines()[0] for one in sent]
    assert [run.id for run in (refused, failed, refused_again)] == runs_named(on_call)


async def switch_on(parts: Orchestra) -> None:
    process = await asyncio.create_subprocess_exec(
        PREFECT, "automation", "resume", FAILED_RUN, env=parts.environment
    )
    assert 0 == await process.wait()


async def started(prefect: PrefectClient, **parameters: Any) -> FlowRun:
    """A run that was started by hand."""
    deployment = await prefect.read_deployment_by_name(f"{WORKFLOW}/{WORKFLOW}")
    return await prefect.create_flow_run_from_deployment(
        deployment.id, parameters={"tenant_id": A_TENANT, **parameters}
    )


async def started_and_ended(prefect: PrefectClient, **parameters: Any) -> FlowRun:
    run = await started(prefect, **parameters)

    async def is_final() -> bool:
        state = (await prefect.read_flow_run(run.id)).state
        return state is not None and state.is_final()

    await eventually(is_final, within_seconds=90)
    return run


async def execution_of(parts: Orchestra, subject: str) -> ExecutionRecord:
    found = await parts.store.query(A_TENANT, Query(ExecutionRecord, {"subject": subject}))
    return found.items[0].record


async def fail(parts: Orchestra, services: AnalysisServices) -> None:
    """Risk analytics answers the request that it was asked as one that it cannot answer."""

    async def is_asked() -> bool:
        return len(services.unanswered) > 0

    await eventually(is_asked, within_seconds=60)
    [request] = services.unanswered
    about = {name: request["data"][name] for name in ("opportunityId", "workflowId")}
    failure = {**about, "error": "no model"}
    await parts.bus.publish(
        foreign_event(A_TENANT, "risk.evaluation.failed", failure, id=request["id"])
    )
