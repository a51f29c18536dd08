"""A worker is killed at each place where that leaves something else behind: the next one does the
rest, once.

One system for all of them, on the embedded bus and store; only the worker dies.
"""

from collections.abc import AsyncIterator, Iterable

import pytest

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.processes import fault_points
from tests.support.analyses import a_large_deal, an_opportunity, ended, gated
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.invariants import done_once
from tests.support.system.ledger import Ledger
from tests.support.system.orchestra import Orchestra, orchestra

pytestmark = pytest.mark.long

PUBLISHING = ("after-request-2", "before-end", "after-end")
"""The rest leave nothing behind that these do not; they run with `make test-slow`."""


@pytest.fixture(scope="module")
async def parts(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer
) -> AsyncIterator[Orchestra]:
    quick = {
        "RECONCILER_INTERVAL_SECONDS": "1",
        "WORKER_HEARTBEAT_SECONDS": "0.5",
        "WORKER_LOST_AFTER_SECONDS": "3",
    }
    folder = tmp_path_factory.mktemp("killed-workers")
    async with orchestra(folder, prefect_server, HITL_APPROVALS_ENABLED="true", **quick) as parts:
        parts.listener.start()
        parts.api.start()
        yield parts


@pytest.fixture(autouse=True)
async def no_worker_is_left(parts: Orchestra) -> AsyncIterator[None]:
    yield
    parts.worker.kill()


def slow_unless_publishing(points: Iterable[str]) -> list[object]:
    return [
        point if point in PUBLISHING else pytest.param(point, marks=pytest.mark.slow)
        for point in points
    ]


@pytest.mark.parametrize("point", slow_unless_publishing(fault_points.OF_AN_ANALYSIS))
async def test_an_analysis_whose_worker_was_killed_is_ended_once_by_the_next(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, point: str
) -> None:
    event = an_opportunity()
    parts.worker.start(FAULT_POINT=point)
    await parts.bus.publish(event)
    await parts.worker.died()

    parts.worker.start()

    assert "completed" == (await ended(parts, event)).status
    await done_once(parts, ledger, [event])


@pytest.mark.slow
async def test_a_worker_killed_before_it_suspends_leaves_one_approval_which_counts(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    event = a_large_deal()
    parts.worker.start(FAULT_POINT="before-suspend")
    await parts.bus.publish(event)
    await parts.worker.died()

    parts.worker.start()
    waiting = await gated(parts, flow_runs, event)
    assert await flow_runs.resume(
        waiting.flow_run_id or "", {"decision": "approve", "decided_by": "ann"}
    )

    assert "completed" == (await ended(parts, event)).status
    await done_once(parts, ledger, [event])


async def test_a_worker_killed_after_the_approval_does_not_ask_again(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, flow_runs: PrefectFlowRuns
) -> None:
    event = a_large_deal()
    parts.worker.start(FAULT_POINT="after-approval")
    await parts.bus.publish(event)
    waiting = await gated(parts, flow_runs, event)
    assert await flow_runs.resume(
        waiting.flow_run_id or "", {"decision": "approve", "decided_by": "ann"}
    )
    await parts.worker.died()

    parts.worker.start()

    execution = await ended(parts, event)
    assert ("completed", "claimed:ann") == (
        execution.status,
        (execution.results or {})["approval"]["decidedBy"],
    )
    await done_once(parts, ledger, [event])
