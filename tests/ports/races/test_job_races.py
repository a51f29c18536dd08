"""Runs of one batch job that come at the same moment, on both stores: at most one is at work, and
one is.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.clock import utc_now
from blocks.contracts.envelope import Event
from blocks.contracts.events import JobCompleted
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import JOB_BY_ID, WORKFLOW, Job
from blocks.contracts.records import ExecutionRecord
from blocks.jobs import triggers
from blocks.ports import RecordStore
from blocks.queries import every
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import batch_jobs_queue
from flows import batch_job
from flows.shared import runtime
from flows.shared.runtime import Runtime
from flows.shared.tick import Tick
from listeners.job_reports import record_job_report
from tests.ports.races.due_ticks import due_ticks
from tests.support.event_context import context_of
from tests.support.factories import new_id
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.stores import Uneven

RUNS = 12
ROUNDS = 5
SKIPS, QUEUES = JOB_BY_ID["account-health"], JOB_BY_ID["outcome-sync"]


@pytest.fixture
async def context(
    store: RecordStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_bus(settings, "test") as bus:
        await bus.declare(batch_jobs_queue(settings))
        context = Runtime(settings, bus, Uneven(store), RememberedFlowRuns())

        async def opened() -> Runtime:
            return context

        monkeypatch.setattr(runtime, "get", opened)
        monkeypatch.setattr(batch_job, "TURN_SECONDS", 0.01)
        yield context


async def sent(job: Job, tick: Tick) -> ExecutionRecord | None:
    """As the flow does: the execution of the tick, sent in its turn; None: the tick is skipped."""
    request = batch_job.request_of(job, {}, tick)
    if await batch_job.reason_to_skip.fn(request, tick):
        return None
    accepted = await batch_job.accept.fn(request)
    await batch_job.wait_for_turn.fn(job, accepted.record)
    context = await runtime.get()
    return (await triggers.send(context.store, context.bus, accepted)).record


async def at_work(context: Runtime, job: Job) -> list[str]:
    where = {"workflow": WORKFLOW, "subject": job.id, "status": "running"}
    found = every(context.store, SYSTEM_TENANT, ExecutionRecord, where)
    return [stored.record.id async for stored in found]


async def reported(context: Runtime, job: Job) -> None:
    """The oldest run of the job has ended."""
    end = Event(
        id=new_id(),
        tenant_id=SYSTEM_TENANT,
        timestamp=utc_now(),
        data=JobCompleted(job=job.id, status="success", completed_at=None),
        source="risk-analytics",
    )
    await record_job_report(context_of(context.store), end)


async def has_reported_once(context: Runtime, job: Job) -> None:
    request = triggers.by_hand(job, "cli", new_id(), {})
    await triggers.trigger(context.store, context.bus, request)
    await reported(context, job)


async def test_of_ticks_that_come_at_once_one_is_sent_and_the_others_are_skipped(
    context: Runtime,
) -> None:
    await has_reported_once(context, SKIPS)
    for _ in range(ROUNDS):
        runs = await asyncio.gather(
            *(sent(SKIPS, tick) for tick in due_ticks(RUNS, apart=timedelta(milliseconds=1)))
        )

        [one] = [run for run in runs if run]
        assert [one.id] == await at_work(context, SKIPS)
        await reported(context, SKIPS)


async def test_of_a_job_that_queues_one_is_at_work_at_a_time_and_all_are_sent(
    context: Runtime,
) -> None:
    await has_reported_once(context, QUEUES)
    most, runs = (
        0,
        [
            asyncio.create_task(sent(QUEUES, tick))
            for tick in due_ticks(RUNS, apart=timedelta(milliseconds=1))
        ],
    )
    async with asyncio.timeout(120):
        while not all(run.done() for run in runs) or await at_work(context, QUEUES):
            now = await at_work(context, QUEUES)
            most = max(most, len(now))
            if now:
                await reported(context, QUEUES)

    assert 1 == most
    ids = {done.id for run in runs if (done := run.result())}
    assert RUNS == len(ids)
