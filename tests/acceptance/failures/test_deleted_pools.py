"""A work pool that is deleted in Prefect, with runs waiting in it: their executions go on in the
next one, and end once.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blocks import deciding
from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.approvals.decisions import Vote
from blocks.contracts import ids
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
from tests.support.factories import A_TENANT
from tests.support.run_logs import client_of
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, deploy_analysis, orchestra

# What is young is left alone: half a minute passes before some repairs.
pytestmark = pytest.mark.long

_QUICK = {
    "RECONCILER_INTERVAL_SECONDS": "1",
    "DISPATCH_SWEEP_SECONDS": "2",
    "HITL_APPROVALS_ENABLED": "true",
}


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, **_QUICK) as parts:
        parts.api.start()
        parts.listener.start()
        parts.worker.start()
        yield parts


async def test_what_waited_in_it_is_dispatched_again_and_what_awaits_a_person_goes_on(
    parts: Orchestra,
    prefect_server: PrefectServer,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
) -> None:
    suspended, waiting = a_large_deal(), an_opportunity()
    await parts.bus.publish(suspended)
    await gated(parts, flow_runs, suspended)
    parts.worker.stop()
    await parts.bus.publish(waiting)
    await dispatched(parts, flow_runs, waiting)

    async with client_of(prefect_server) as client:
        await client.delete_work_pool(parts.settings.prefect.work_pool)
    await deploy_analysis(parts.settings, prefect_server, parts.environment)
    parts.worker.start()
    approval = ids.approval_id(execution_id_of(suspended), "analysis")
    vote = Vote(actor="ann", outcome="approved", channel="api")
    await deciding.decide(parts.store, parts.bus, flow_runs, A_TENANT, approval, vote)

    for event in (waiting, suspended):
        assert "completed" == (await ended(parts, event, within_seconds=120)).status
    assert 2 == len(await ledger.published(*TERMINAL, count=2))
    assert [2] * 4 == [len(services.asked[request]) for request in REQUESTED]


async def test_until_there_is_another_nothing_is_lost_and_the_log_says_what_to_do(
    parts: Orchestra,
    prefect_server: PrefectServer,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
) -> None:
    event = an_opportunity()
    parts.worker.stop()
    async with client_of(prefect_server) as client:
        await client.delete_work_pool(parts.settings.prefect.work_pool)
    await parts.bus.publish(event)

    async def is_explained() -> bool:
        return "has no work pool: run `orchestrator bootstrap`" in parts.listener.log

    await seen(parts, is_explained)
    assert "pending" == (await recorded(parts, event)).status
    scheduled = await flow_runs.list_runs(states=("scheduled",))
    assert not any(execution_id_of(event) in run.execution_ids for run in scheduled)
    await deploy_analysis(parts.settings, prefect_server, parts.environment)
    parts.worker.start()

    assert "completed" == (await ended(parts, event, within_seconds=120)).status
    assert 1 == len(await ledger.published(*TERMINAL))
