"""A record that cannot be read concerns its own run of a job: all others go on."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.reconciler import Parts
from api.reconciler.kinds.ended_runs import EndedRuns
from api.reconciler.kinds.jobs import UnreportedJobs, UnsentTriggers
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.contracts import ids
from blocks.contracts.events import JobTrigger
from blocks.contracts.jobs import TRIGGER_STEP, WORKFLOW, Job
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.jobs import triggers
from blocks.ports import EventBus, RecordStore
from blocks.republishing import republish
from listeners.job_reports import record_job_report
from tests.support.event_context import context_of
from tests.support.factories import A_TENANT, a_flow_run, a_step, a_tenant_record, an_execution, now
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.stores import put_unreadable
from tests.unit.jobs.test_batch_jobs import (
    HEALTH,
    HOUR,
    QUEUE,
    SETTINGS,
    SYNC,
    a_request,
    completed,
    read,
    sent_long_ago,
)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EventBus]:
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        await bus.declare(QUEUE)
        yield bus


@pytest.fixture
def prefect() -> RememberedFlowRuns:
    return RememberedFlowRuns()


@pytest.fixture
def parts(store: RecordStore, bus: EventBus, prefect: RememberedFlowRuns) -> Parts:
    return Parts.of(SETTINGS, store, bus, prefect)


async def with_unreadable_trigger(store: RecordStore, bus: EventBus) -> ExecutionRecord:
    """A job that flow run "run-1" has triggered; what records that cannot be read."""
    execution = await triggers.trigger(store, bus, a_request(flow_run_id="run-1"))
    id = ids.step_record_id(execution.id, TRIGGER_STEP)
    await put_unreadable(store, StepRecord, ids.SYSTEM_TENANT, id=id)
    return execution


# --- whether a trigger was sent -------------------------------------------------------------------


async def test_a_crashed_run_runs_again_beside_a_job_whose_trigger_cannot_be_read(
    store: RecordStore, bus: EventBus, parts: Parts, prefect: RememberedFlowRuns
) -> None:
    await with_unreadable_trigger(store, bus)
    analysis = an_execution(status="running", flow_run_id="run-2")
    await store.create(A_TENANT, analysis)
    crashed = {"state": "crashed", "message": "the disk is full"}
    prefect.runs = [
        a_flow_run(id="run-1", tenant_id="", execution_ids=[], job=SYNC.id, **crashed),
        a_flow_run(id="run-2", execution_ids=[analysis.id], **crashed),
    ]

    await EndedRuns(parts).look()

    assert "run-2" in prefect.rescheduled


async def test_a_trigger_whose_record_cannot_be_read_is_not_sent_again(
    store: RecordStore, bus: EventBus, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.reconciler.kinds.jobs.SEND_GRACE", timedelta(0))
    await with_unreadable_trigger(store, bus)
    await triggers.trigger(store, bus, a_request(flow_run_id="run-1"))
    await triggers.accept(store, a_request(key="owed"))

    assert 1 == await UnsentTriggers(parts).look()
    assert 2 == await bus.depth(QUEUE.name)


async def test_a_job_is_unreported_beside_one_whose_trigger_cannot_be_read(
    store: RecordStore, bus: EventBus, parts: Parts
) -> None:
    await with_unreadable_trigger(store, bus)
    overdue = await triggers.trigger(store, bus, a_request(key="overdue"))
    await sent_long_ago(store, overdue, 3 * HOUR)

    assert 1 == await UnreportedJobs(parts).look()


async def test_events_are_published_again_beside_those_whose_steps_cannot_be_read(
    store: RecordStore, bus: EventBus
) -> None:
    await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
    damaged, analysis = (an_execution(status="running", started_at=now()) for _ in range(2))
    await store.create_all(A_TENANT, [damaged, analysis])
    step = a_step(execution_id=damaged.id)
    await put_unreadable(store, StepRecord, A_TENANT, id=step.id, executionId=damaged.id)
    await with_unreadable_trigger(store, bus)
    await triggers.trigger(store, bus, a_request(key="2"))

    counts = await republish(store, bus, since=now() - HOUR)

    assert (8, 1) == (counts.total() - counts[JobTrigger.event_type], counts[JobTrigger.event_type])


# --- runs of a job --------------------------------------------------------------------------------


async def unreadable_run(store: RecordStore, status: str, job: Job = SYNC) -> str:
    return await put_unreadable(
        store,
        ExecutionRecord,
        ids.SYSTEM_TENANT,
        created_at="2050-01-01T00:00:00.000000+00:00",
        workflow=WORKFLOW,
        subject=job.id,
        status=status,
    )


async def test_a_job_takes_its_turn_beside_an_ended_run_that_cannot_be_read(
    store: RecordStore, bus: EventBus
) -> None:
    await triggers.trigger(store, bus, a_request(key="1"))
    await record_job_report(context_of(store), completed())
    await unreadable_run(store, "completed")

    assert None is await triggers.take_turn(store, a_request(key="2"))


async def test_a_job_with_an_open_run_that_cannot_be_read_keeps_no_other_job_from_its_trigger(
    store: RecordStore, bus: EventBus, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.reconciler.kinds.jobs.SEND_GRACE", timedelta(0))
    await triggers.trigger(store, bus, a_request(key="1"))
    await record_job_report(context_of(store), completed())
    await triggers.accept(store, a_request(key="2", flow_run_id="gone"))
    await unreadable_run(store, "running")
    await triggers.accept(store, a_request(HEALTH, key="3", flow_run_id="gone, too"))

    assert 1 == await UnsentTriggers(parts).look()


async def test_a_report_ends_its_run_beside_one_that_cannot_be_read(
    store: RecordStore, bus: EventBus
) -> None:
    execution = await triggers.trigger(store, bus, a_request())
    await unreadable_run(store, "running")

    assert "recorded" == await record_job_report(context_of(store), completed())
    assert "completed" == (await read(store, execution.id)).status


async def test_a_report_that_only_a_run_that_cannot_be_read_may_wait_for_is_unclaimed(
    store: RecordStore,
) -> None:
    await unreadable_run(store, "running")

    assert "unclaimed" == await record_job_report(context_of(store), completed())
