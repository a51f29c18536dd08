"""What a flow run of a batch job does between its tick and its trigger, without Prefect."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from blocks.actions.cancelling import cancel_execution
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.jobs import JOB_BY_ID
from blocks.jobs import triggers
from blocks.ports import EventBus, RecordStore
from blocks.schedules.ticks import Days, Schedule
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.topology import batch_jobs_queue
from flows import batch_job
from flows.shared import runtime
from flows.shared.runtime import Runtime
from flows.shared.tick import Tick
from listeners.job_reports import record_job_report
from tests.support.event_context import context_of
from tests.support.flow_runs import RememberedFlowRuns
from tests.unit.jobs.test_batch_jobs import a_request, completed

SYNC, BACKFILL = JOB_BY_ID["outcome-sync"], JOB_BY_ID["risk-snapshot-backfill"]


@pytest.fixture
async def bus(
    store: RecordStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EventBus]:
    """The flow's parts are the embedded ones."""
    settings = load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_bus(settings, "test") as bus:
        await bus.declare(batch_jobs_queue(settings))
        context = Runtime(settings, bus, store, RememberedFlowRuns())

        async def opened() -> Runtime:
            return context

        monkeypatch.setattr(runtime, "get", opened)
        monkeypatch.setattr(batch_job, "TURN_SECONDS", 0.01)
        yield bus


async def test_a_run_whose_execution_was_cancelled_waits_for_its_turn_no_longer(
    store: RecordStore, bus: EventBus
) -> None:
    await triggers.trigger(store, bus, a_request(key="1"))
    await record_job_report(context_of(store), completed())
    await triggers.trigger(store, bus, a_request(key="at work"))
    accepted = await triggers.accept(store, a_request(key="waits"))

    waiting = asyncio.create_task(batch_job.wait_for_turn.fn(SYNC, accepted.record))
    await cancel_execution(
        store, bus, RememberedFlowRuns(), ids.SYSTEM_TENANT, accepted.record.id, "not tonight"
    )
    async with asyncio.timeout(10):
        await waiting
    sent = await triggers.send(store, bus, accepted)

    assert f"execution {accepted.record.id} is cancelled" in batch_job.end_of(sent.record)


async def test_a_run_waits_for_the_end_of_the_days_that_were_accepted(
    store: RecordStore, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = utc_now().date()
    tick = Tick(
        flow_run_id="run-1",
        at=utc_now(),
        begun_at=utc_now(),
        newer=None,
        is_scheduled=True,
        schedule=Schedule("0 0 * * *", "UTC"),
        days=Days(today, today),
    )
    yesterday = today - timedelta(days=1)
    accepted = await batch_job.accept.fn(
        batch_job.request_of(BACKFILL, {}, replace(tick, days=Days(yesterday, yesterday)))
    )

    async with asyncio.timeout(10):
        await batch_job.wait_for_end_of_days.fn(accepted.record, tick)
