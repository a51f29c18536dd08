"""What operators press in Prefect's own pages while an execution is open: the record follows, and
ends once.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelling, Pending, Scheduled

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.contracts import ids
from blocks.contracts.records import ApprovalRecord
from blocks.ports import Message
from tests.support.analyses import (
    a_large_deal,
    an_opportunity,
    dispatched,
    ended,
    execution_id_of,
    find,
    gated,
    recorded,
    seen,
)
from tests.support.factories import A_TENANT
from tests.support.run_logs import client_of
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
        parts.worker.start()
        parts.api.start()
        yield parts


async def press(prefect: PrefectServer, flow_run_id: str | None, state: State[None]) -> None:
    """As Prefect's pages do: without force."""
    async with client_of(prefect) as client:
        await client.set_flow_run_state(UUID(flow_run_id), state)


async def approval_status(parts: Orchestra, event: Message) -> str:
    id = ids.approval_id(execution_id_of(event), "analysis")
    return (await parts.store.read(A_TENANT, ApprovalRecord, id)).record.status


async def test_at_the_gate_cancel_ends_it_and_a_retry_asks_the_same_question_again(
    parts: Orchestra,
    prefect_server: PrefectServer,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
) -> None:
    retried, cancelled = events = [a_large_deal() for _ in range(2)]
    await parts.bus.publish(*events)
    retry, cancel = [(await gated(parts, flow_runs, event)).flow_run_id or "" for event in events]

    await press(prefect_server, retry, Scheduled(name="AwaitingRetry"))
    await press(prefect_server, cancel, Cancelling())
    assert "cancelled" == (await ended(parts, cancelled)).status

    async def has_started_again() -> bool:
        record = await find(parts, retried)
        return record is not None and record.attempt > 1

    await seen(parts, has_started_again)
    await gated(parts, flow_runs, retried)
    assert await flow_runs.resume(retry, {"decision": "approve", "decided_by": "ann"})

    assert "completed" == (await ended(parts, retried)).status
    assert ["approved", "cancelled"] == [await approval_status(parts, one) for one in events]
    assert 2 == len(await ledger.published(*TERMINAL, count=2))
    assert 2 == len(await ledger.published("hitl.approval.requested", count=2))


async def test_cancel_ends_it_while_it_runs_and_while_a_worker_is_starting_it(
    parts: Orchestra,
    prefect_server: PrefectServer,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
) -> None:
    services.silent |= set(REQUESTED)
    running, starting = events = [an_opportunity() for _ in range(2)]
    await parts.bus.publish(running)
    run_id = (await recorded(parts, running, "running")).flow_run_id
    await press(prefect_server, run_id, Cancelling())
    assert "cancelled" == (await ended(parts, running)).status

    parts.worker.stop()
    await parts.bus.publish(starting)
    run_id = await dispatched(parts, flow_runs, starting)
    await press(prefect_server, run_id, Pending())  # as a worker does that dies on the next line
    await press(prefect_server, run_id, Cancelling())

    assert "cancelled" == (await ended(parts, starting)).status
    ends = await ledger.published(*TERMINAL, count=2)
    assert {execution_id_of(event) for event in events} == {
        end["data"]["workflowId"] for end in ends
    }
    assert 2 == len(ends)
