"""Executions that come while a flow run of their tenant is open join it, and fare there as in a run
of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import monotonic
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message
from tests.acceptance.executions.test_batches import all_in
from tests.support.analyses import a_large_deal, gated
from tests.support.factories import A_TENANT
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import opportunity_event, services_on
from tests.support.system.ledger import REQUESTED, ledger_of
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually

OPEN_SECONDS = 20
"""Longer than any pause of a busy machine."""


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    environment = {
        "DISPATCH_OPEN_SECONDS": str(OPEN_SECONDS),
        "HITL_APPROVALS_ENABLED": "true",
        "RECONCILER_INTERVAL_SECONDS": "1",
        "WORKER_LOST_AFTER_SECONDS": "4",
    }
    async with orchestra(tmp_path, prefect_server, **environment) as parts:
        parts.api.start()
        parts.listener.start()
        parts.worker.start()
        await eventually(lambda: parts.has_workers(1), within_seconds=60)
        yield parts


async def one_by_one(parts: Orchestra, count: int, status: str) -> list[Message]:
    """So many events, each sent when the one before has come to this status."""
    events: list[Message] = []
    for _ in range(count):
        events.append(opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()), amount=5))
        await parts.bus.publish(events[-1])
        await all_in(parts, events[-1:], status)
    return events


def the_run_of(records: Sequence[ExecutionRecord]) -> str:
    [run_id] = {record.flow_run_id for record in records}
    assert run_id
    return run_id


async def ended(prefect: PrefectClient, run_id: str) -> FlowRun:
    async def is_over() -> bool:
        state = (await prefect.read_flow_run(UUID(run_id))).state
        return bool(state and state.is_final())

    await eventually(is_over, within_seconds=60)
    return await prefect.read_flow_run(UUID(run_id))


async def test_they_share_a_run_which_shows_all_of_them_at_its_end(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    async with ledger_of(parts.bus, parts.name) as ledger, services_on(parts.bus, parts.name):
        events = await one_by_one(parts, 4, "completed")
        await ledger.holds({"workflow.opportunity.analysis.completed": 4})
    records = await all_in(parts, events, "completed")
    run_id = the_run_of(records)

    assert 0 == parts.worker.stop()
    run = await ended(prefect, run_id)
    assert run.state
    assert ("COMPLETED", "4 executions: 4 completed") == (run.state.type, run.state.message)
    assert [record.id for record in records] == run.parameters["execution_ids"]
    assert run.name.startswith("4 opportunities"), run.name
    assert {} == ledger.second_ids()


async def test_a_backlog_joins_it_too_and_prefect_shows_so_while_it_is_under_way(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name, silent=REQUESTED) as them,
    ):
        first = await one_by_one(parts, 1, "running")
        backlog = [
            opportunity_event(A_TENANT, str(uuid4()), id=str(uuid4()), amount=5) for _ in range(40)
        ]
        await parts.bus.publish(*backlog)
        run_id = the_run_of(await all_in(parts, first + backlog, "running"))

        async def most_are_shown() -> bool:
            run = await prefect.read_flow_run(UUID(run_id))
            shown = len(run.parameters["execution_ids"])
            return 41 < 2 * shown and run.name == f"{shown} opportunities"

        await eventually(most_are_shown)
        await them.speak()
        them.silent.clear()
        await all_in(parts, first + backlog, "completed")
        await ledger.holds({"workflow.opportunity.analysis.completed": 41})
    assert {} == ledger.second_ids()


@pytest.mark.long
async def test_those_of_a_killed_worker_go_on_in_the_next(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name, silent=REQUESTED) as them,
    ):
        events = await one_by_one(parts, 3, "running")
        run_id = the_run_of(await all_in(parts, events, "running"))

        parts.worker.kill()
        parts.another_worker.start()
        await them.speak()
        them.silent.clear()
        records = await all_in(parts, events, "completed")
        assert run_id == the_run_of(records)
        more = await one_by_one(parts, 1, "completed")
        await ledger.holds({"workflow.opportunity.analysis.completed": 4})
    assert run_id == the_run_of(await all_in(parts, more, "completed")), "it is open again"
    assert {} == ledger.second_ids()


@pytest.mark.long
async def test_one_that_needs_a_person_goes_to_its_gate_at_once(
    parts: Orchestra, flow_runs: PrefectFlowRuns
) -> None:
    async with ledger_of(parts.bus, parts.name) as ledger, services_on(parts.bus, parts.name):
        since = monotonic()
        first = a_large_deal()
        await parts.bus.publish(first)
        alone = await gated(parts, flow_runs, first)

        [before] = await all_in(parts, await one_by_one(parts, 1, "completed"), "completed")
        second = a_large_deal()
        await parts.bus.publish(second)
        joined = await gated(parts, flow_runs, second)
        assert monotonic() - since < OPEN_SECONDS
        assert 3 == len({alone.flow_run_id, before.flow_run_id, joined.flow_run_id})

        for waiting in (alone, joined):
            answer = {"decision": "approve", "decided_by": "ann"}
            assert await flow_runs.resume(waiting.flow_run_id or "", answer)
        await all_in(parts, [first, second], "completed")
        await ledger.holds({"workflow.opportunity.analysis.completed": 3})
    assert {} == ledger.second_ids()


@pytest.mark.long
async def test_while_prefect_is_away_one_at_its_gate_holds_up_no_other_and_gets_there_later(
    parts: Orchestra, prefect_server: PrefectServer, flow_runs: PrefectFlowRuns
) -> None:
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name, silent=REQUESTED) as them,
    ):
        others = await one_by_one(parts, 3, "running")
        large = a_large_deal()
        await parts.bus.publish(large)
        the_run_of(await all_in(parts, [*others, large], "running"))
        prefect_server.kill()
        try:
            await them.speak()
            them.silent.clear()
            await all_in(parts, [large], "awaiting_approval")
            since = monotonic()
            await one_by_one(parts, 2, "completed")
            assert monotonic() - since < OPEN_SECONDS, "they waited for Prefect"
            await all_in(parts, others, "completed")
            await ledger.holds({"workflow.opportunity.analysis.completed": 5})
        finally:
            await asyncio.to_thread(prefect_server.start)

        waiting = await gated(parts, flow_runs, large, within_seconds=120)
        answer = {"decision": "approve", "decided_by": "ann"}
        assert await flow_runs.resume(waiting.flow_run_id or "", answer)
        await all_in(parts, [large], "completed")
        await ledger.holds({"workflow.opportunity.analysis.completed": 6})
    assert {} == ledger.second_ids()


@pytest.mark.long
async def test_those_of_a_run_that_is_cancelled_in_prefect_are_cancelled(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    async with services_on(parts.bus, parts.name, silent=REQUESTED):
        events = await one_by_one(parts, 2, "running")
        run_id = the_run_of(await all_in(parts, events, "running"))

        await prefect.set_flow_run_state(UUID(run_id), Cancelling(message="not today"), force=True)

        await all_in(parts, events, "cancelled")


@pytest.mark.long
async def test_a_worker_that_is_stopped_closes_its_runs_and_what_comes_then_is_the_others(
    parts: Orchestra, prefect: PrefectClient
) -> None:
    async with (
        ledger_of(parts.bus, parts.name) as ledger,
        services_on(parts.bus, parts.name),
    ):
        first = await one_by_one(parts, 2, "completed")
        parts.another_worker.start()
        await eventually(lambda: parts.has_workers(2), within_seconds=60)
        since = monotonic()
        stopping = asyncio.create_task(asyncio.to_thread(parts.worker.stop))
        events = await one_by_one(parts, 5, "completed")
        assert 0 == await stopping
        assert monotonic() - since < OPEN_SECONDS
        await ledger.holds({"workflow.opportunity.analysis.completed": 7})
    runs = {record.flow_run_id for record in await all_in(parts, first + events, "completed")}
    assert len(runs) > 1
    assert {} == ledger.second_ids()
