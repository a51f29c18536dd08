"""What an operator sees in Prefect: a run ends as its executions do, once, whichever worker carries
it; an analysis is started and tried again there by hand.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import load_flow_from_entrypoint
from prefect.states import Scheduled

from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord, TenantShare
from blocks.ports import Query
from blocks.tenants.dispatch_policy import change_policy, with_share
from deployments.bootstrap.prefect_yaml import read_deployments
from deployments.bootstrap.run import deploy
from tests.support.analyses import seen
from tests.support.factories import A_TENANT, an_execution, new_id
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices, answer_to, foreign_event
from tests.support.system.ledger import TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, client_of, orchestra

pytestmark = pytest.mark.long

RISK = "workflow.risk.analysis.requested"


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, RECONCILER_INTERVAL_SECONDS="1") as parts:
        parts.api.start()
        yield parts


@asynccontextmanager
async def prefects_worker(parts: Orchestra, prefect: PrefectClient) -> AsyncIterator[None]:
    """Prefect's own worker, which starts a process for each run, serves the analysis."""
    pool = f"processes-{parts.settings.prefect.work_pool}"
    await prefect.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    analysis = next(stanza for stanza in read_deployments() if stanza.name == WORKFLOW)
    await deploy(prefect, analysis, load_flow_from_entrypoint(analysis.entrypoint), pool)
    worker = start_process_worker(parts, pool)
    try:
        yield
    finally:
        worker.terminate()
        await asyncio.to_thread(worker.wait, timeout=30)


def start_process_worker(parts: Orchestra, pool: str) -> subprocess.Popen[bytes]:
    command = ["prefect", "worker", "start", "--pool", pool, "--type", "process"]
    environment = {**parts.environment, "PREFECT_WORKER_QUERY_SECONDS": "0.5"}
    with (Path(parts.settings.data_dir) / "process-worker.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, stdout=log, stderr=subprocess.STDOUT
        )


async def test_runs_end_as_their_executions_do_and_are_started_and_retried_by_hand(
    parts: Orchestra,
    prefect: PrefectClient,
    services: AnalysisServices,
    ledger: Ledger,
) -> None:
    services.silent.add(RISK)
    parts.listener.start()
    parts.worker.start()
    failing = await start(prefect, opportunity_id="006-failing", input={"amount": 900})
    await fail(parts, await unanswered(services))
    assert ("FAILED", "Failed") == await end(parts, prefect, failing)
    failed = await execution_of(parts, "006-failing")
    assert ("failed", {"amount": 900}, str(failing.id)) == (
        failed.status,
        failed.input,
        failed.flow_run_id,
    )
    assert await message(prefect, failing) == (
        f"{failed.error_code}: {failed.error} (execution {failed.id})"
    )
    assert "no model" in (failed.error or "")
    assert "Opportunity 006-failing" == (await prefect.read_flow_run(failing.id)).name

    by_run = {
        "nothing recorded": await start(prefect, execution_ids=[new_id()]),
        "nothing asked": await start(prefect),
        "a malformed tenant": await start(prefect, tenant="acme", opportunity_id="006"),
        "another tenant's": await start(prefect, tenant=new_id(), execution_ids=[failed.id]),
        "both": await start(prefect, opportunity_id="006", execution_ids=[failed.id]),
    }
    for why, run in by_run.items():
        assert ("FAILED", "Refused") == await end(parts, prefect, run), why
    assert "acme" in await message(prefect, by_run["a malformed tenant"])
    assert failed.id in await message(prefect, by_run["another tenant's"])

    unchecked = await start_unchecked(prefect, execution_ids=None)
    assert ("FAILED", "Failed") == await end(parts, prefect, unchecked)
    assert "execution_ids" in await message(prefect, unchecked)

    duplicate = await start(prefect, execution_ids=[failed.id])
    assert ("COMPLETED", "NothingToDo") == await end(parts, prefect, duplicate)
    assert str(failing.id) in await message(prefect, duplicate)

    one, other = await given(parts), await given(parts)
    batch = await start(prefect, execution_ids=[one.id, other.id])
    for request in await unanswered(services, 2):
        await (fail(parts, request) if of(request) == one.id else answer(parts, request))
    assert ("COMPLETED", "PartlyFailed") == await end(parts, prefect, batch)
    assert "2 executions: 1 completed, 1 failed" in await message(prefect, batch)

    unwanted = await start(prefect, opportunity_id="006-unwanted")
    await unanswered(services)
    await cancel(parts, await execution_of(parts, "006-unwanted"))
    assert ("CANCELLED", "Cancelled") == await end(parts, prefect, unwanted)
    services.unanswered.clear()

    await press_retry(prefect, failing)
    await answer(parts, await unanswered(services))
    assert ("COMPLETED", "Completed") == await end(parts, prefect, failing)
    retried = await execution_of(parts, "006-failing")
    assert ("completed", 1, str(failing.id)) == (
        retried.status,
        retried.retries,
        retried.flow_run_id,
    )

    for run in (*by_run.values(), duplicate, batch, unwanted):
        assert 1 == (await prefect.read_flow_run(run.id)).run_count, "it has run again"
    assert 2 == (await prefect.read_flow_run(failing.id)).run_count
    assert {"Failed": 1, "Completed": 1} == await finals(prefect, failing)
    ends = [event["id"] for event in await ledger.published(*TERMINAL, count=5)]
    assert 5 == len(ends) == len(set(ends)), "an end was announced twice"
    assert "stumbled" not in parts.api.log, "the reconciler looks past odd parameters"


async def test_under_prefects_own_worker_a_failed_run_ends_once_and_goes_on_when_it_is_retried(
    parts: Orchestra, prefect: PrefectClient, services: AnalysisServices
) -> None:
    services.silent.add(RISK)
    parts.listener.start()
    async with prefects_worker(parts, prefect):
        failing = await start(prefect, opportunity_id="006-failing", input={"amount": 900})
        refused = await start(prefect, execution_ids=["none"])
        await fail(parts, await unanswered(services))
        assert ("FAILED", "Failed") == await end(parts, prefect, failing)
        assert ("FAILED", "Refused") == await end(parts, prefect, refused)
        assert "no model" in await message(prefect, failing)

        await press_retry(prefect, failing)
        await answer(parts, await unanswered(services))
        assert ("COMPLETED", "Completed") == await end(parts, prefect, failing)

    assert {"Failed": 1, "Completed": 1} == await finals(prefect, failing)
    assert {"Refused": 1} == await finals(prefect, refused)
    assert "completed" == (await execution_of(parts, "006-failing")).status


async def test_a_start_by_hand_keeps_to_the_running_limit_of_its_tenant(
    parts: Orchestra, prefect: PrefectClient, services: AnalysisServices
) -> None:
    limit = TenantShare(running_max=1)
    await change_policy(parts.store, parts.bus, lambda policy: with_share(policy, A_TENANT, limit))
    services.silent.add(RISK)
    parts.listener.start()
    parts.worker.start()
    first = await start(prefect, opportunity_id="006-first")
    request = await unanswered(services)

    second = await start(prefect, opportunity_id="006-second")
    assert ("COMPLETED", "Queued") == await end(parts, prefect, second)
    assert "pending" == (await execution_of(parts, "006-second")).status

    await answer(parts, request)
    assert ("COMPLETED", "Completed") == await end(parts, prefect, first)
    await services.speak()
    await execution_of(parts, "006-second", "completed")


# --- in Prefect -----------------------------------------------------------------------------------


async def start(prefect: PrefectClient, *, tenant: str = A_TENANT, **parameters: Any) -> FlowRun:
    """As the form and `prefect deployment run` do."""
    deployment = await prefect.read_deployment_by_name(f"{WORKFLOW}/{WORKFLOW}")
    return await prefect.create_flow_run_from_deployment(
        deployment.id, parameters={"tenant_id": tenant, **parameters}
    )


async def start_unchecked(prefect: PrefectClient, **parameters: Any) -> FlowRun:
    """As a caller of Prefect's API does who switches its check of parameters off."""
    deployment = await prefect.read_deployment_by_name(f"{WORKFLOW}/{WORKFLOW}")
    answer = await prefect.request(
        "POST",
        "/deployments/{id}/create_flow_run",
        path_params={"id": deployment.id},
        json={
            "parameters": {"tenant_id": A_TENANT, **parameters},
            "enforce_parameter_schema": False,
        },
    )
    return await prefect.read_flow_run(UUID(answer.json()["id"]))


async def press_retry(prefect: PrefectClient, run: FlowRun) -> None:
    """As the button does."""
    await prefect.set_flow_run_state(run.id, Scheduled(name="AwaitingRetry", message="Retry"))


async def end(parts: Orchestra, prefect: PrefectClient, run: FlowRun) -> tuple[str, str]:
    """Type and name of the state in which the run has ended."""

    async def is_final() -> State[Any] | None:
        state = (await prefect.read_flow_run(run.id)).state
        return state if state and state.is_final() else None

    state = await seen(parts, is_final, within_seconds=90)
    return state.type.value, state.name or ""


async def message(prefect: PrefectClient, run: FlowRun) -> str:
    state = (await prefect.read_flow_run(run.id)).state
    return (state and state.message) or ""


async def finals(prefect: PrefectClient, run: FlowRun) -> dict[str, int]:
    """How often it has ended in each state."""
    names = [state.name for state in await prefect.read_flow_run_states(run.id) if state.is_final()]
    return {name: names.count(name) for name in names if name}


# --- in the records and on the bus ----------------------------------------------------------------


async def given(parts: Orchestra) -> ExecutionRecord:
    """A pending execution, which no dispatcher has been notified of."""
    return (await parts.store.create(A_TENANT, an_execution(input={"amount": 900}))).record


async def execution_of(parts: Orchestra, subject: str, *statuses: str) -> ExecutionRecord:
    async def look() -> ExecutionRecord | None:
        found = await parts.store.query(A_TENANT, Query(ExecutionRecord, {"subject": subject}))
        record = found.items[0].record if found.items else None
        return record if record and (not statuses or record.status in statuses) else None

    return await seen(parts, look)


async def unanswered(services: AnalysisServices, count: int = 1) -> Any:
    """The one request without an answer, or so many, once they have come."""
    async with asyncio.timeout(60):
        while len(services.unanswered) < count:  # noqa: ASYNC110 - a list of a test's own
            await asyncio.sleep(0.05)
    requests, services.unanswered = services.unanswered, []
    return requests if count > 1 else requests[0]


def of(request: dict[str, Any]) -> str:
    return str(UUID(request["data"]["workflowId"]))


async def answer(parts: Orchestra, request: dict[str, Any]) -> None:
    await parts.bus.publish(answer_to(request))


async def fail(parts: Orchestra, request: dict[str, Any]) -> None:
    about = {name: request["data"][name] for name in ("opportunityId", "workflowId")}
    failure = foreign_event(
        A_TENANT, "risk.evaluation.failed", {**about, "error": "no model"}, id=request["id"]
    )
    await parts.bus.publish(failure)


async def cancel(parts: Orchestra, execution: ExecutionRecord) -> None:
    async with client_of(parts) as client:
        path = f"/api/v1/executions/{execution.id}/cancel"
        assert 200 == (await client.post(path, json={"reason": "sold"})).status_code
