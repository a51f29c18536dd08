"""The reconciler, on a real Prefect server: what Prefect ended is ended in the records, what is
owed is announced.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry, Crashed, Failed, Running

from api.reconciler.kinds.ended_runs import RESCHEDULES_MAX
from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord, ProcessRecord
from blocks.ports import Query
from tests.support.analyses import (
    an_opportunity,
    dispatched,
    ended,
    find,
    recorded,
)
from tests.support.factories import A_TENANT, a_tenant_record, an_execution
from tests.support.servers.prefect_server import PrefectServer
from tests.support.stores import put_unreadable
from tests.support.system.analysis_services import services_on
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, RECONCILER_INTERVAL_SECONDS="1") as parts:
        parts.api.start()
        yield parts


async def force(prefect: PrefectServer, flow_run_id: str | None, state: State) -> None:
    with temporary_settings({PREFECT_API_URL: prefect.api_url}):
        async with get_client() as client:
            await client.set_flow_run_state(UUID(flow_run_id), state, force=True)


LOST = ("Scheduled", "its worker is gone")


async def states_of(
    prefect: PrefectServer, flow_run_id: str | None
) -> list[tuple[str | None, str | None]]:
    """Name and message of each state that the run has been in."""
    with temporary_settings({PREFECT_API_URL: prefect.api_url}):
        async with get_client() as client:
            states = await client.read_flow_run_states(UUID(flow_run_id))
    return [(state.name, state.message) for state in states]


async def test_a_run_cancelled_in_prefect_cancels_its_execution(
    parts: Orchestra, ledger: Ledger, flow_runs: PrefectFlowRuns
) -> None:
    event = an_opportunity()
    async with services_on(parts.bus, parts.name, silent=REQUESTED):
        parts.listener.start()
        parts.worker.start()
        await parts.bus.publish(event)
        execution = await recorded(parts, event, "running")

        await flow_runs.cancel(execution.flow_run_id or "")

        assert ("cancelled", "cancelled") == (
            (done := await ended(parts, event)).status,
            done.error_code,
        )
    [end] = await ledger.published(*TERMINAL)
    assert ("workflow.opportunity.analysis.failed", "cancelled") == (
        end["type"],
        end["data"]["errorCode"],
    )


async def test_a_run_that_failed_before_our_code_ran_fails_its_execution(
    parts: Orchestra, ledger: Ledger, flow_runs: PrefectFlowRuns, prefect_server: PrefectServer
) -> None:
    event = an_opportunity()
    parts.listener.start()
    await parts.bus.publish(event)
    run_id = await dispatched(parts, flow_runs, event)
    await force(prefect_server, run_id, Failed(message="no module named flows"))

    execution = await ended(parts, event)
    assert ("failed", "run-failed") == (execution.status, execution.error_code)
    assert "no module named flows" in (execution.error or "")


async def crashed(server: PrefectServer, run_id: str | None) -> None:
    await force(server, run_id, Crashed(message="the machine burnt down"))


async def between_two_tries(server: PrefectServer, run_id: str | None) -> None:
    """The state of a run that failed, reported that, and is tried again soon by the same worker."""
    await force(server, run_id, AwaitingRetry(message="the broker was away"))


@pytest.mark.parametrize("as_prefect_sees_it", [crashed, between_two_tries])
@pytest.mark.long
async def test_a_run_whose_worker_was_killed_goes_on_and_completes(
    parts: Orchestra,
    ledger: Ledger,
    prefect_server: PrefectServer,
    as_prefect_sees_it: Callable[[PrefectServer, str | None], Awaitable[None]],
) -> None:
    event = an_opportunity()
    async with services_on(parts.bus, parts.name, silent=REQUESTED) as services:
        parts.listener.start()
        parts.worker.start()
        await parts.bus.publish(event)
        execution = await recorded(parts, event, "running")
        parts.worker.kill()
        await as_prefect_sees_it(prefect_server, execution.flow_run_id)

        parts.worker.start()
        await services.speak()
        assert "completed" == (await ended(parts, event)).status
    assert {} == ledger.second_ids()


async def test_a_run_that_keeps_losing_its_worker_is_given_up_with_what_it_holds(
    parts: Orchestra, ledger: Ledger, flow_runs: PrefectFlowRuns, prefect_server: PrefectServer
) -> None:
    event = an_opportunity()
    parts.listener.start()
    await parts.bus.publish(event)
    run_id = await dispatched(parts, flow_runs, event)
    for _ in range(RESCHEDULES_MAX):
        await force(prefect_server, run_id, Running())
        [run] = await flow_runs.read_runs([run_id])
        await flow_runs.reschedule(run, "its worker is gone")
    assert RESCHEDULES_MAX == await flow_runs.reschedules(run_id)
    await force(prefect_server, run_id, Running())

    execution = await ended(parts, event)
    assert ("failed", "worker-lost") == (execution.status, execution.error_code)

    async def marked() -> bool:
        return ["Crashed"] == [one.state_name for one in await flow_runs.read_runs([run.id])]

    await eventually(marked)
    assert 1 == len(await ledger.published(*TERMINAL))


async def test_a_run_that_lost_its_worker_goes_before_those_that_have_not_begun(
    tmp_path: Path, flow_runs: PrefectFlowRuns, prefect_server: PrefectServer
) -> None:
    async with orchestra(tmp_path, prefect_server) as parts:
        first, second = [
            await flow_runs.start(
                "opportunity-analysis", A_TENANT, [], key=f"{parts.name}-{name}", name=name
            )
            for name in ("first", "second")
        ]
        await force(prefect_server, first, Running())
        [run] = await flow_runs.read_runs([first])
        await flow_runs.reschedule(run, "its worker is gone")

        assert [first, second] == await next_of(prefect_server, parts.settings.prefect.work_pool)


async def next_of(prefect: PrefectServer, work_pool: str) -> list[str]:
    """The runs that a worker of the pool is given, in their order."""
    with temporary_settings({PREFECT_API_URL: prefect.api_url}):
        async with get_client() as client:
            given = await client.get_scheduled_flow_runs_for_work_pool(
                work_pool, scheduled_before=utc_now() + timedelta(seconds=30)
            )
    return [str(one.flow_run.id) for one in given]


@pytest.mark.long
async def test_the_run_of_a_killed_worker_goes_on_in_another_within_ten_seconds(
    parts: Orchestra, ledger: Ledger, prefect_server: PrefectServer
) -> None:
    event = an_opportunity()
    async with services_on(parts.bus, parts.name, silent=REQUESTED):
        parts.listener.start()
        parts.worker.start()
        await parts.bus.publish(event)
        await recorded(parts, event, "running")
        parts.another_worker.start()
        await eventually(lambda: is_listed_twice(parts), within_seconds=30)

        parts.worker.kill()
        killed_at = utc_now()

        async def is_claimed_again() -> bool:
            record = await find(parts, event)
            return record is not None and record.attempt == 2

        await eventually(is_claimed_again, within_seconds=20)
        assert utc_now() - killed_at < timedelta(seconds=10)

        taken = await find(parts, event)
        assert taken
        assert 1 == len(
            [state for state in await states_of(prefect_server, taken.flow_run_id) if state == LOST]
        )


async def is_listed_twice(parts: Orchestra) -> bool:
    workers = await parts.store.query(ids.SYSTEM_TENANT, Query(ProcessRecord, {"role": "worker"}))
    return len(workers.items) == 2


async def test_an_end_that_was_never_announced_is_announced(
    parts: Orchestra, ledger: Ledger
) -> None:
    long_ago = utc_now() - timedelta(minutes=1)
    owed = an_execution(
        status="completed", completed_at=long_ago, updated_at=long_ago, results={"risk": {}}
    )
    await parts.store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    await parts.store.create(A_TENANT, owed)

    async def is_announced() -> bool:
        return bool(
            (await parts.store.read(A_TENANT, ExecutionRecord, owed.id)).record.announced_at
        )

    await eventually(is_announced, within_seconds=30)
    [event] = await ledger.published(*TERMINAL)
    assert event["id"] == ids.terminal_event_id(owed.id)


@pytest.mark.long
async def test_a_worker_that_is_stopped_in_the_middle_of_a_run_gives_the_reconciler_a_hint(
    tmp_path: Path, prefect_server: PrefectServer
) -> None:
    patience = {"RECONCILER_INTERVAL_SECONDS": "600", "WORKER_DRAIN_SECONDS": "0.1"}
    async with orchestra(tmp_path, prefect_server, **patience) as parts:
        parts.api.start()
        parts.listener.start()
        parts.worker.start()
        event = an_opportunity()
        async with services_on(parts.bus, parts.name, silent=REQUESTED) as services:
            await parts.bus.publish(event)
            await recorded(parts, event, "running")
            parts.another_worker.start()
            await eventually(lambda: is_listed_twice(parts), within_seconds=60)

            await asyncio.to_thread(parts.worker.stop)
            await services.speak()

            assert (2, "completed") == ((done := await ended(parts, event)).attempt, done.status)


async def test_one_record_that_cannot_be_read_stops_nothing_else(parts: Orchestra) -> None:
    await parts.store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    for status in ("pending", "running", "completed"):
        for tenant_id in (A_TENANT, ids.SYSTEM_TENANT):
            its = {"status": status, "workflow": WORKFLOW}
            await put_unreadable(parts.store, ExecutionRecord, tenant_id, **its)
    async with services_on(parts.bus, parts.name):
        parts.listener.start()
        parts.worker.start()
        for _ in range(2):  # the second is looked for when all have come by the damaged ones
            await parts.bus.publish(event := an_opportunity())
            assert "completed" == (await ended(parts, event)).status
            await asyncio.sleep(2)
    for part in (parts.listener, parts.api):
        assert "cannot be read" in part.log
        assert 0 == part.stop()
