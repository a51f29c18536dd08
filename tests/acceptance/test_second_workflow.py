"""A workflow that only docs/add-a-workflow.md knows goes through everything that the built-in ones
go through.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.ports import Message, Query
from deployments.doctor.checks.work import work
from deployments.doctor.connections import Connections
from tests.support.factories import A_TENANT
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import foreign_event
from tests.support.system.forking import IMPORTED_FIRST
from tests.support.system.ledger import Ledger
from tests.support.system.orchestra import Orchestra, client_of, on_real_parts, whole_orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

MODULE = "tests.support.second_workflow"
WORKFLOW = "parcel-check"
CHECKED = "workflow.parcel.checked"


@pytest.fixture(params=["embedded", "real"])
async def parts(
    request: pytest.FixtureRequest, tmp_path: Path, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    environment = on_real_parts(request, tmp_path.name) if request.param == "real" else {}
    metrics = {"API_METRICS_PORT": str(free_port())}
    async with whole_orchestra(
        tmp_path,
        prefect_server,
        **environment,
        **metrics,
        **{IMPORTED_FIRST: MODULE},
        RECONCILER_INTERVAL_SECONDS="1",
    ) as parts:
        await deploy(parts, prefect_server)
        parts.api.start()
        parts.listener.start()
        yield parts


async def deploy(parts: Orchestra, server: PrefectServer) -> None:
    with temporary_settings({PREFECT_API_URL: server.api_url}):
        async with get_client() as client:
            await client.create_deployment(
                flow_id=await client.create_flow_from_name(WORKFLOW),
                name=WORKFLOW,
                entrypoint=f"{MODULE}.parcel_check",
                work_pool_name=parts.settings.prefect.work_pool,
                pull_steps=[],
            )


# --- what a user does -----------------------------------------------------------------------------


def a_parcel(parcel: str, kilograms: float = 3.0) -> Message:
    return foreign_event(
        A_TENANT, "shop.parcel.sent", {"parcel": parcel, "kilograms": kilograms}, id=str(uuid4())
    )


async def ask(parts: Orchestra, method: str, path: str, body: object = None) -> Any:
    async with client_of(parts) as client:
        answer = await client.request(method, f"/api/v1{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def become(parts: Orchestra, status: str, count: int) -> list[ExecutionRecord]:
    """The executions of the workflow in this status, once there are so many."""

    async def enough() -> list[ExecutionRecord]:
        page = await parts.store.query(
            A_TENANT, Query(ExecutionRecord, {"workflow": WORKFLOW, "status": status})
        )
        return [one.record for one in page.items] if len(page.items) >= count else []

    return await eventually(enough, within_seconds=90)


async def release(parts: Orchestra, execution: ExecutionRecord) -> None:
    """A person approves what the execution asks."""

    async def asked() -> list[ApprovalRecord]:
        pending = {"execution_id": execution.id, "status": "pending"}
        return [
            one.record
            for one in (await parts.store.query(A_TENANT, Query(ApprovalRecord, pending))).items
        ]

    [approval] = await eventually(asked, within_seconds=60)
    decision = {"outcome": "approve", "decidedBy": "ann", "reason": "it is light"}
    await ask(parts, "POST", f"/hitl/approvals/{approval.id}/decisions", decision)


async def announced(ledger: Ledger, count: int) -> dict[str, str]:
    """Status by execution, of everything that was announced; each once."""
    events = await ledger.published(CHECKED, count=count)
    assert len(events) == len({event["data"]["workflowId"] for event in events}) == count
    return {event["data"]["workflowId"]: event["data"]["status"] for event in events}


# --- what it goes through -------------------------------------------------------------------------


async def test_it_is_started_listed_recorded_released_by_a_person_and_announced_once(
    parts: Orchestra, ledger: Ledger
) -> None:
    parts.worker.start()
    await parts.bus.publish(a_parcel("p-1"))
    started = await ask(
        parts,
        "POST",
        "/executions",
        {"workflow": WORKFLOW, "subject": "p-2", "input": {"kilograms": 4}},
    )
    waiting = await become(parts, "awaiting_approval", 2)

    listed = await ask(parts, "GET", f"/executions?workflow={WORKFLOW}")
    others = await ask(parts, "GET", "/executions?workflow=opportunity-analysis")
    shown = await ask(parts, "GET", f"/executions/{started['id']}")
    found = [finding.found for finding in await work(Connections(parts.settings, parts.store))]
    async with httpx.AsyncClient() as client:
        metrics = (
            await client.get(f"http://127.0.0.1:{parts.settings.metrics.api_port}/metrics")
        ).text
    for execution in waiting:
        await release(parts, execution)
    await become(parts, "completed", 2)

    assert {"p-1", "p-2"} == {one["subject"] for one in listed["items"]}
    assert [] == others["items"]
    assert [("weigh", "completed")] == [(step["step"], step["status"]) for step in shown["steps"]]
    assert any(line.startswith("awaiting a person: 2") for line in found)
    assert f'workflow="{WORKFLOW}"' in metrics
    assert {execution.id: "completed" for execution in waiting} == await announced(ledger, 2)


async def test_many_share_a_run_and_what_failed_or_was_cancelled_goes_on_when_it_is_retried(
    parts: Orchestra, ledger: Ledger, flow_runs: PrefectFlowRuns
) -> None:
    for number in range(7):
        await parts.bus.publish(a_parcel(f"p-{number}", 99 if number == 6 else 3))
    await become(parts, "pending", 7)
    parts.worker.start()
    [failed] = await become(parts, "failed", 1)
    waiting = await become(parts, "awaiting_approval", 6)

    async def shared() -> bool:
        return any(
            len(run.execution_ids) > 1 for run in await flow_runs.list_runs(states=("completed",))
        )

    await eventually(shared, within_seconds=60)

    await ask(parts, "POST", f"/executions/{failed.id}/retry")
    await ask(parts, "POST", f"/executions/{waiting[0].id}/cancel", {})
    [cancelled] = await become(parts, "cancelled", 1)
    await ask(parts, "POST", f"/executions/{cancelled.id}/retry")
    await release(parts, cancelled)
    [completed] = await become(parts, "completed", 1)

    assert (failed.error, failed.failed_step) == ("it is too heavy", "weigh")
    assert (completed.id, 1) == (cancelled.id, completed.retries)
    ends = await ledger.published(CHECKED, count=4)
    assert sorted(["failed", "failed", "cancelled", "completed"]) == sorted(
        end["data"]["status"] for end in ends
    )
    assert 4 == len({end["id"] for end in ends})


async def test_after_the_death_of_its_worker_another_does_it_once(
    parts: Orchestra, ledger: Ledger
) -> None:
    parts.worker.start(FAULT_POINT="after-claim")
    await parts.bus.publish(a_parcel("p-1"))
    await parts.worker.died()
    parts.another_worker.start()

    [execution] = await become(parts, "awaiting_approval", 1)
    await release(parts, execution)
    [completed] = await become(parts, "completed", 1)

    assert completed.attempt > 1
    assert {execution.id: "completed"} == await announced(ledger, 1)
    assert ["weigh"] == [
        step["step"] for step in (await ask(parts, "GET", f"/executions/{execution.id}"))["steps"]
    ]
