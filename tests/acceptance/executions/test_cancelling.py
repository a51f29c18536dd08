"""An execution is cancelled in whatever state it is, through whatever door: it ends once, and its
end is announced once.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Failed, Scheduled

from blocks import deciding
from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.approvals.decisions import Vote
from blocks.contracts import ids
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.ports import Message, Query
from tests.support.analyses import (
    a_large_deal,
    an_opportunity,
    dispatched,
    ended,
    execution_id_of,
    gated,
    recorded,
    seen,
)
from tests.support.api.credentials import AnyTenant
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, orchestra

pytestmark = pytest.mark.long


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    settings = {"HITL_APPROVALS_ENABLED": "true", "RECONCILER_INTERVAL_SECONDS": "1"}
    async with orchestra(tmp_path, prefect_server, **settings) as parts:
        parts.listener.start()
        yield parts


async def test_before_it_runs(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    of_a_run, accepted, in_prefect = events = [an_opportunity() for _ in range(3)]
    parts.api.start()
    await parts.bus.publish(of_a_run)
    await dispatched(parts, flow_runs, of_a_run)
    # they wait until a worker has started that run, or for five seconds
    await parts.bus.publish(accepted, in_prefect)
    await recorded(parts, accepted)

    answers = [await cancelled_over_http(parts, event) for event in (of_a_run, accepted, accepted)]
    await flow_runs.cancel(await dispatched(parts, flow_runs, in_prefect))
    assert "cancelled" == (await ended(parts, in_prefect)).status
    parts.worker.start()
    await nothing_runs(parts, flow_runs)

    assert [200, 200, 409] == [answer.status_code for answer in answers]
    assert not services.asked
    await each_end_was_announced_once(ledger, *events)


async def test_while_it_runs(parts: Orchestra, ledger: Ledger, services: AnalysisServices) -> None:
    by_request, by_command = events = [an_opportunity() for _ in range(2)]
    services.silent |= set(REQUESTED)
    parts.api.start()
    parts.worker.start()
    await parts.bus.publish(*events)
    for event in events:
        await recorded(parts, event, "running")

    answer, code = await asyncio.gather(
        cancelled_over_http(parts, by_request),
        asyncio.to_thread(cancelled_by_command, parts, by_command),
    )

    assert (200, 0) == (answer.status_code, code)
    assert ["cancelled", "cancelled"] == [(await ended(parts, event)).status for event in events]
    await each_end_was_announced_once(ledger, *events)


async def test_while_it_waits_for_a_person_or_has_just_been_resumed(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    by_command, in_prefect, resuming, resuming_in_prefect = events = [
        a_large_deal() for _ in range(4)
    ]
    runs = await all_gated(parts, flow_runs, events)
    parts.api.start()

    code = await asyncio.to_thread(cancelled_by_command, parts, by_command)
    await flow_runs.cancel(runs[in_prefect.id])
    assert "cancelled" == (await ended(parts, in_prefect)).status
    parts.worker.kill()
    for event in (resuming, resuming_in_prefect):
        assert await flow_runs.resume(runs[event.id], {"decision": "approve", "decided_by": "ann"})
    answer = await cancelled_over_http(parts, resuming)
    await flow_runs.cancel(runs[resuming_in_prefect.id])
    assert "cancelled" == (await ended(parts, resuming_in_prefect)).status
    parts.worker.start()
    await nothing_runs(parts, flow_runs)

    assert (0, 200) == (code, answer.status_code)
    assert {"cancelled"} == {await approval_status(parts, event) for event in events}
    await each_end_was_announced_once(ledger, *events)


async def test_a_decision_is_taken_when_prefect_has_other_ideas_of_its_run(
    parts: Orchestra,
    ledger: Ledger,
    services: AnalysisServices,
    flow_runs: PrefectFlowRuns,
    prefect_server: PrefectServer,
) -> None:
    failed, cancelled, resuming = events = [a_large_deal() for _ in range(3)]
    runs = await all_gated(parts, flow_runs, events)
    parts.worker.kill()

    states: list[State[None]] = [Failed(message="expired"), Cancelled(), Scheduled(name="Resuming")]
    for event, state in zip(events, states, strict=True):
        await force(prefect_server, runs[event.id], state)
        await approved(parts, flow_runs, event)
    parts.api.start()
    parts.worker.start()

    outcomes = [(await ended(parts, event)).status for event in (failed, cancelled, resuming)]
    assert ["failed", "cancelled", "completed"] == outcomes
    assert {"approved"} == {await approval_status(parts, event) for event in events}
    await each_end_was_announced_once(ledger, *events)


# --- doors ----------------------------------------------------------------------------------------


async def cancelled_over_http(parts: Orchestra, event: Message) -> httpx.Response:
    url = f"http://127.0.0.1:{parts.settings.server.port}/api/v1/executions/{execution_id_of(event)}/cancel"

    async def answers() -> list[httpx.Response]:
        try:
            async with httpx.AsyncClient(auth=AnyTenant(), timeout=30) as client:
                return [
                    await client.post(
                        url, json={"reason": "sold"}, headers={"X-Tenant-ID": A_TENANT}
                    )
                ]
        except httpx.ConnectError:
            return []  # the API is still starting

    return (await seen(parts, answers))[0]


def cancelled_by_command(parts: Orchestra, event: Message) -> int:
    """The command's exit code."""
    command = ["executions", "cancel", execution_id_of(event), "--tenant", A_TENANT]
    return subprocess.run(
        [sys.executable, "-m", "deployments.cli", *command],
        env=dict(parts.environment),
        check=False,
    ).returncode


async def approved(parts: Orchestra, flow_runs: PrefectFlowRuns, event: Message) -> None:
    vote = Vote(actor="ann", outcome="approved", channel="api", reason="seen")
    await deciding.decide(parts.store, parts.bus, flow_runs, A_TENANT, approval_id_of(event), vote)


async def force(prefect: PrefectServer, flow_run_id: str, state: State[None]) -> None:
    with temporary_settings({PREFECT_API_URL: prefect.api_url}):
        async with get_client() as client:
            await client.set_flow_run_state(UUID(flow_run_id), state, force=True)


# --- what became of it ----------------------------------------------------------------------------


async def all_gated(
    parts: Orchestra, flow_runs: PrefectFlowRuns, events: list[Message]
) -> dict[str, str]:
    """The suspended flow run of each event's execution."""
    parts.worker.start()
    await parts.bus.publish(*events)
    return {event.id: (await gated(parts, flow_runs, event)).flow_run_id or "" for event in events}


async def nothing_runs(parts: Orchestra, flow_runs: PrefectFlowRuns) -> None:
    """Whatever was still to be done for executions of this test has been done."""
    ours = {
        stored.record.id
        for stored in (await parts.store.query(A_TENANT, Query(ExecutionRecord))).items
    }

    async def is_quiet() -> bool:
        at_work = await flow_runs.list_runs(states=("scheduled", "pending", "running"))
        return not any(ours & set(run.execution_ids) for run in at_work)

    await seen(parts, is_quiet)


def approval_id_of(event: Message) -> str:
    return ids.approval_id(execution_id_of(event), "analysis")


async def approval_status(parts: Orchestra, event: Message) -> str:
    return (await parts.store.read(A_TENANT, ApprovalRecord, approval_id_of(event))).record.status


async def each_end_was_announced_once(ledger: Ledger, *events: Message) -> None:
    ends = await ledger.published(*TERMINAL, count=len(events))
    assert sorted(execution_id_of(event) for event in events) == sorted(
        end["data"]["workflowId"] for end in ends
    )
