"""Flow runs that vanish from Prefect, one by one or with its whole database: their executions go on
and end once.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks import deciding
from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.approvals.decisions import Vote
from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message
from tests.support.analyses import (
    a_large_deal,
    an_opportunity,
    dispatched,
    ended,
    execution_id_of,
    gated,
    recorded,
)
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, bootstrap, orchestra

# what is young is left alone: up to a minute and a half passes before a repair
pytestmark = pytest.mark.slow


@pytest.fixture
async def prefect(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrefectServer]:
    """A server of the test's own: its database can be lost."""
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
async def parts(tmp_path: Path, prefect: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(
        tmp_path, prefect, RECONCILER_INTERVAL_SECONDS="1", HITL_APPROVALS_ENABLED="true"
    ) as parts:
        parts.api.start()
        parts.listener.start()
        parts.worker.start()
        yield parts


@pytest.fixture
async def flow_runs(prefect: PrefectServer) -> AsyncIterator[PrefectFlowRuns]:
    async with PrefectFlowRuns(prefect.api_url) as flow_runs:
        yield flow_runs


async def delete(prefect: PrefectServer, flow_run_id: str | None) -> None:
    """As an operator does in Prefect's UI."""
    with temporary_settings({PREFECT_API_URL: prefect.api_url}):
        async with get_client() as client:
            await client.delete_flow_run(UUID(flow_run_id))


async def approve(parts: Orchestra, flow_runs: PrefectFlowRuns, event: Message) -> None:
    approval_id = ids.approval_id(execution_id_of(event), "analysis")
    vote = Vote(actor="ann", outcome="approved", channel="api")
    await deciding.decide(parts.store, parts.bus, flow_runs, A_TENANT, approval_id, vote)


async def in_another_run(
    parts: Orchestra, flow_runs: PrefectFlowRuns, event: Message, before: ExecutionRecord
) -> ExecutionRecord:
    """The execution, once it is suspended in a run that is not the one before: those that await a
    person are looked at once a minute.
    """
    return await gated(parts, flow_runs, event, not_in=before.flow_run_id, within_seconds=180)


async def test_a_run_deleted_while_a_person_is_awaited_is_replaced_and_the_decision_counts(
    parts: Orchestra,
    prefect: PrefectServer,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
) -> None:
    event = a_large_deal()
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)

    await delete(prefect, waiting.flow_run_id)
    await in_another_run(parts, flow_runs, event, waiting)
    await approve(parts, flow_runs, event)

    assert "completed" == (await ended(parts, event)).status
    assert [1, 1, 1, 1] == [len(services.asked[request]) for request in REQUESTED], (
        "nothing was asked again"
    )
    assert 1 == len(await ledger.published(*TERMINAL))
    assert 1 == len(await ledger.published("hitl.approval.requested"))


async def test_a_run_deleted_while_a_worker_carries_it_out_ends_as_if_nothing_had_happened(
    parts: Orchestra, prefect: PrefectServer, ledger: Ledger, services: AnalysisServices
) -> None:
    services.silent.update(REQUESTED)
    event = an_opportunity()
    await parts.bus.publish(event)
    running = await recorded(parts, event, "running")

    await delete(prefect, running.flow_run_id)
    await services.speak()

    assert "completed" == (await ended(parts, event, within_seconds=120)).status
    assert 1 == len(await ledger.published(*TERMINAL))
    assert {} == ledger.second_ids()


async def test_a_run_deleted_before_a_worker_started_it_is_dispatched_again(
    parts: Orchestra,
    prefect: PrefectServer,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
) -> None:
    parts.worker.stop()
    event = an_opportunity()
    await parts.bus.publish(event)

    await delete(prefect, await dispatched(parts, flow_runs, event))
    parts.worker.start()

    assert "completed" == (await ended(parts, event, within_seconds=120)).status
    assert 1 == len(await ledger.published(*TERMINAL))


async def test_with_prefects_database_lost_every_open_execution_goes_on_and_ends_once(
    parts: Orchestra,
    prefect: PrefectServer,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
) -> None:
    done, suspended, running, pending = (
        an_opportunity(),
        a_large_deal(),
        an_opportunity(),
        an_opportunity(),
    )
    await parts.bus.publish(done, suspended)
    before = await gated(parts, flow_runs, suspended)
    await ended(parts, done)
    services.silent.update(REQUESTED)
    await parts.bus.publish(running)
    await recorded(parts, running, "running")
    parts.worker.kill()
    await parts.bus.publish(pending)
    await recorded(parts, pending, "pending")

    prefect.kill()
    prefect.lose_database()
    await asyncio.to_thread(prefect.start)
    await bootstrap(parts)
    await services.speak()
    parts.worker.start()
    await in_another_run(parts, flow_runs, suspended, before)
    await approve(parts, flow_runs, suspended)

    ends = [
        await ended(parts, event, within_seconds=120)
        for event in (done, suspended, running, pending)
    ]
    assert ["completed"] * 4 == [execution.status for execution in ends]
    assert sorted(ids.terminal_event_id(execution.id) for execution in ends) == sorted(
        event["id"] for event in await ledger.published(*TERMINAL)
    )
    assert {} == ledger.second_ids()
