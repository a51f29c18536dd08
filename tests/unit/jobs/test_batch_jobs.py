"""Triggers and reports of batch jobs, on the embedded parts: what is sent, once, and what a report
belongs to.
"""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from api.reconciler import Parts
from api.reconciler.kinds.ended_runs import EndedRuns
from api.reconciler.kinds.jobs import UnreportedJobs, UnsentTriggers
from blocks.actions.cancelling import cancel_execution
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.clock import utc_now
from blocks.contracts import ids, jobs
from blocks.contracts.envelope import Event
from blocks.contracts.events import JobCompleted, JobFailed, JobTrigger
from blocks.contracts.jobs import JOB_BY_ID, REPORT_STEP, TRIGGER_STEP, TriggeredBy
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.jobs import triggers
from blocks.jobs.triggers import JobRequest, RequestReused
from blocks.messages import to_message
from blocks.ports import Delivery, EventBus, RecordStore, Unavailable
from blocks.settings import load_settings
from blocks.topology import batch_jobs_queue
from listeners import metrics
from listeners.job_reports import record_job_report
from listeners.router import Router
from tests.support.event_context import context_of
from tests.support.factories import a_flow_run, new_id
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.system.ledger import ledger_of

SETTINGS = load_settings({})
QUEUE = batch_jobs_queue(SETTINGS)
SYNC, HEALTH, BACKFILL = (
    JOB_BY_ID[id] for id in ("outcome-sync", "account-health", "risk-snapshot-backfill")
)
HOUR = timedelta(hours=1)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EventBus]:
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        await bus.declare(QUEUE)
        yield bus


@pytest.fixture
def parts(store: RecordStore, bus: EventBus) -> Parts:
    """What the reconciler works on; Prefect knows the flow run that sends its own trigger."""
    prefect = RememberedFlowRuns()
    prefect.runs = [a_flow_run(id="it sends its own")]
    return Parts.of(SETTINGS, store, bus, prefect)


def a_request(job: Any = SYNC, key: str = "1", **changes: Any) -> JobRequest:
    return msgspec.structs.replace(triggers.by_hand(job, "cli", key, {}), **changes)


async def read(store: RecordStore, id: str) -> ExecutionRecord:
    return (await store.read(ids.SYSTEM_TENANT, ExecutionRecord, id)).record


async def step(store: RecordStore, execution: ExecutionRecord, name: str) -> StepRecord:
    return (
        await store.read(ids.SYSTEM_TENANT, StepRecord, ids.step_record_id(execution.id, name))
    ).record


async def sent_long_ago(store: RecordStore, execution: ExecutionRecord, ago: timedelta) -> None:
    """The execution and its trigger look as if they were so old."""
    moment = utc_now() - ago
    stored = await store.read(ids.SYSTEM_TENANT, ExecutionRecord, execution.id)
    await store.replace(
        ids.SYSTEM_TENANT, stored.etag, msgspec.structs.replace(stored.record, started_at=moment)
    )
    id = ids.step_record_id(execution.id, TRIGGER_STEP)
    sent = await store.read(ids.SYSTEM_TENANT, StepRecord, id)
    await store.replace(
        ids.SYSTEM_TENANT, sent.etag, msgspec.structs.replace(sent.record, completed_at=moment)
    )


def completed(job: str = SYNC.id, at: datetime | None = None, id: str | None = None) -> Event[Any]:
    data = JobCompleted(job=job, status="success", completed_at=at)
    return Event(
        id=id or new_id(),
        tenant_id=ids.SYSTEM_TENANT,
        timestamp=utc_now(),
        data=data,
        source="risk-analytics",
    )


def failed(error: str | None, job: str = SYNC.id) -> Event[Any]:
    data = JobFailed(job=job, error=error, failed_at=utc_now())
    return Event(
        id=new_id(),
        tenant_id=ids.SYSTEM_TENANT,
        timestamp=utc_now(),
        data=data,
        source="risk-analytics",
    )


# --- triggers -------------------------------------------------------------------------------------


async def test_a_trigger_is_the_documented_event_of_the_system_tenant(
    store: RecordStore, bus: EventBus
) -> None:
    tick = utc_now()
    execution = await triggers.trigger(
        store,
        bus,
        JobRequest(
            job=BACKFILL,
            key=tick.isoformat(),
            triggered_by="scheduler",
            metadata={"from": "2026-01-01", "to": "2026-01-07"},
            schedule=BACKFILL.cron,
            scheduled_for=tick,
        ),
    )

    [message] = await bus.peek(QUEUE.name)
    envelope = json.loads(message.body)
    assert (JobTrigger.event_type, ids.SYSTEM_TENANT) == (envelope["type"], envelope["tenantId"])
    assert ids.job_trigger_event_id(BACKFILL.id, tick.isoformat()) == message.id == envelope["id"]
    data = envelope["data"]
    assert (BACKFILL.id, "scheduler") == (data["job"], data["triggeredBy"])
    assert execution.started_at == datetime.fromisoformat(data["timestamp"])
    metadata = data["metadata"]
    assert data["timestamp"] == metadata.pop("triggeredAt")
    assert tick == datetime.fromisoformat(metadata.pop("scheduledFor"))
    assert {
        "from": "2026-01-01",
        "to": "2026-01-07",
        "schedule": "0 1 * * 0",
        "channel": "schedule",
    } == metadata


@pytest.mark.parametrize(
    ("triggered_by", "on_the_wire", "channel"),
    [
        ("scheduler", "scheduler", "schedule"),
        ("api", "api", "api"),
        ("cli", "api", "cli"),
        ("prefect", "api", "prefect"),
    ],
)
async def test_the_platform_reads_the_values_it_knows_and_the_channel_beside_them(
    store: RecordStore,
    bus: EventBus,
    parts: Parts,
    triggered_by: TriggeredBy,
    on_the_wire: str,
    channel: str,
) -> None:
    request = a_request(key=triggered_by, triggered_by=triggered_by)
    execution = await triggers.trigger(store, bus, request)

    [message] = await bus.peek(QUEUE.name)
    data = json.loads(message.body)["data"]
    assert (on_the_wire, channel) == (data["triggeredBy"], data["metadata"]["channel"])
    await sent_long_ago(store, execution, 3 * HOUR)
    async with ledger_of(bus, "unreported") as ledger:
        await UnreportedJobs(parts).look()
        [event] = await ledger.published("workflow.job.unreported")
    assert on_the_wire == event["data"]["triggeredBy"]


def test_every_channel_is_one_of_the_platforms_two_values() -> None:
    assert {"scheduler", "api"} == {jobs.on_the_wire(one) for one in get_args(TriggeredBy)}
    assert ["scheduler"] == [
        one for one in get_args(TriggeredBy) if jobs.on_the_wire(one) == "scheduler"
    ]


async def test_the_same_request_is_sent_once(store: RecordStore, bus: EventBus) -> None:
    first = await triggers.trigger(store, bus, a_request())
    second = await triggers.trigger(store, bus, a_request())

    assert first.id == second.id
    assert 1 == await bus.depth(QUEUE.name)


async def test_the_same_request_id_with_other_metadata_is_refused(
    store: RecordStore, bus: EventBus
) -> None:
    await triggers.trigger(store, bus, a_request())

    with pytest.raises(RequestReused):
        await triggers.trigger(store, bus, a_request(metadata={"tenantIds": [new_id()]}))


def a_tick(metadata: dict[str, str], **changes: Any) -> JobRequest:
    """The tick of a backfill, whose schedule may be read otherwise each time."""
    request = a_request(BACKFILL, triggered_by="scheduler", metadata=metadata)
    return msgspec.structs.replace(request, **changes)


WEEK = {"from": "2026-01-01", "to": "2026-01-07"}
LESS = {"from": "2026-01-03", "to": "2026-01-07"}


async def test_a_tick_keeps_the_days_that_were_accepted_when_its_schedule_has_changed(
    store: RecordStore,
) -> None:
    first = await triggers.accept(store, a_tick(WEEK))
    again = await triggers.accept(store, a_tick(LESS))

    assert first.record.id == again.record.id
    data = triggers.trigger_event(again.record).data
    assert isinstance(data, JobTrigger)
    assert WEEK.items() <= data.metadata.items()


async def test_a_run_that_a_person_started_keeps_its_days_and_no_other_run_gets_them(
    store: RecordStore,
) -> None:
    of_a_person = {"triggered_by": "prefect", "flow_run_id": "run-1"}
    first = await triggers.accept(store, a_tick(WEEK, **of_a_person))

    assert first.record == (await triggers.accept(store, a_tick(LESS, **of_a_person))).record
    for other in (a_tick(LESS), a_tick(LESS, triggered_by="prefect", flow_run_id="run-2")):
        with pytest.raises(RequestReused):
            await triggers.accept(store, other)


async def test_a_trigger_repeated_after_a_crash_has_the_same_id_and_body(
    store: RecordStore, bus: EventBus
) -> None:
    execution = await triggers.trigger(store, bus, a_request())
    await store.delete(
        ids.SYSTEM_TENANT, StepRecord, ids.step_record_id(execution.id, TRIGGER_STEP)
    )

    await triggers.trigger(store, bus, a_request())

    one, other = await bus.peek(QUEUE.name)
    assert (one.id, one.body) == (other.id, other.body)


async def test_without_a_queue_nothing_counts_as_sent(store: RecordStore, tmp_path: Path) -> None:
    async with SqliteEventBus(tmp_path / "empty.db") as bus:
        with pytest.raises(Unavailable, match="orchestrator bootstrap"):
            await triggers.trigger(store, bus, a_request())
        await bus.declare(QUEUE)
        execution = await triggers.trigger(store, bus, a_request())

    assert await triggers.sent_at(store, execution.id)


async def test_what_a_crash_left_unsent_is_sent_by_the_reconciler(
    store: RecordStore, bus: EventBus, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await triggers.accept(store, a_request())
    await triggers.accept(store, a_request(key="of a flow run", flow_run_id="it sends its own"))
    assert 0 == await UnsentTriggers(parts).look()

    monkeypatch.setattr("api.reconciler.kinds.jobs.SEND_GRACE", timedelta(0))
    assert (1, 0) == (await UnsentTriggers(parts).look(), await UnsentTriggers(parts).look())
    assert 1 == await bus.depth(QUEUE.name)


async def test_a_record_older_than_its_completed_run_is_sent_again(
    store: RecordStore, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restore from a backup that was taken while it waited for its turn."""
    monkeypatch.setattr("api.reconciler.kinds.jobs.SEND_GRACE", timedelta(0))
    await triggers.accept(store, a_request(flow_run_id="it has sent its own"))
    prefect = RememberedFlowRuns()
    prefect.runs = [a_flow_run(id="it has sent its own", state="completed")]

    assert 1 == await UnsentTriggers(Parts.of(SETTINGS, store, bus, prefect)).look()


# --- cancelled before its trigger is sent ---------------------------------------------------------


async def cancel(store: RecordStore, bus: EventBus, execution: ExecutionRecord) -> None:
    await cancel_execution(
        store, bus, RememberedFlowRuns(), ids.SYSTEM_TENANT, execution.id, "not tonight"
    )


async def test_what_was_cancelled_while_it_waited_for_its_turn_is_not_sent(
    store: RecordStore, bus: EventBus
) -> None:
    accepted = await triggers.accept(store, a_request())
    await cancel(store, bus, accepted.record)

    sent = await triggers.send(store, bus, accepted)

    assert "cancelled" == sent.record.status
    assert 0 == await bus.depth(QUEUE.name)
    assert None is await triggers.sent_at(store, accepted.record.id)


async def test_what_was_cancelled_is_not_counted_as_sent_by_the_reconciler(
    store: RecordStore, bus: EventBus, parts: Parts
) -> None:
    accepted = await triggers.accept(store, a_request())
    await cancel(store, bus, accepted.record)

    assert not await UnsentTriggers(parts).act(accepted)


# --- flow runs that ended without having sent their trigger ---------------------------------------


def prefect_with_a_run(state: str) -> RememberedFlowRuns:
    """Prefect, where the one flow run of a job has ended."""
    prefect = RememberedFlowRuns()
    message = "the disk is full"
    run = a_flow_run(
        id="run-1", state=state, message=message, tenant_id="", execution_ids=[], job=SYNC.id
    )
    prefect.runs = [run]
    return prefect


async def test_a_run_that_crashed_before_it_opened_its_execution_runs_again(
    store: RecordStore, bus: EventBus
) -> None:
    flow_runs = prefect_with_a_run("crashed")

    await EndedRuns(Parts.of(SETTINGS, store, bus, flow_runs)).look()

    assert ["run-1"] == flow_runs.rescheduled


async def test_a_run_that_failed_for_good_fails_its_execution_and_operators_are_informed(
    store: RecordStore, bus: EventBus
) -> None:
    execution = (await triggers.accept(store, a_request(flow_run_id="run-1"))).record

    async with ledger_of(bus, "failed") as ledger:
        await EndedRuns(Parts.of(SETTINGS, store, bus, prefect_with_a_run("failed"))).look()
        [event] = await ledger.published("workflow.job.unreported")

    assert ("failed", "run-failed") == (
        (ended := await read(store, execution.id)).status,
        ended.error_code,
    )
    assert "the disk is full" in event["data"]["error"]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_a_run_that_failed_after_its_trigger_leaves_the_end_to_the_batch_workers(
    store: RecordStore, bus: EventBus, state: str
) -> None:
    execution = await triggers.trigger(store, bus, a_request(flow_run_id="run-1"))

    await EndedRuns(Parts.of(SETTINGS, store, bus, prefect_with_a_run(state))).look()

    assert "running" == (await read(store, execution.id)).status


# --- overlap --------------------------------------------------------------------------------------


async def test_a_job_that_is_never_reported_blocks_nothing(
    store: RecordStore, bus: EventBus
) -> None:
    await triggers.trigger(store, bus, a_request(key="1"))

    assert None is await triggers.take_turn(store, a_request(key="2"))


async def test_a_run_of_a_job_that_reports_is_in_the_way_until_it_has(
    store: RecordStore, bus: EventBus
) -> None:
    await triggers.trigger(store, bus, a_request(key="1"))
    await record_job_report(context_of(store), completed())
    second = await triggers.trigger(store, bus, a_request(key="2"))

    assert second.id == await triggers.take_turn(store, a_request(key="3"))
    assert None is await triggers.take_turn(store, a_request(HEALTH, key="3"))
    await record_job_report(context_of(store), completed())
    assert None is await triggers.take_turn(store, a_request(key="3"))


async def test_of_those_that_wait_the_older_goes_first(store: RecordStore, bus: EventBus) -> None:
    await triggers.trigger(store, bus, a_request(key="1"))
    await record_job_report(context_of(store), completed())
    older, newer = [(await triggers.accept(store, a_request(key=key))).record for key in "23"]

    assert older.id == await triggers.take_turn_in_order(store, SYNC, newer)
    assert None is await triggers.take_turn_in_order(store, SYNC, older)


# --- reports --------------------------------------------------------------------------------------


async def test_a_report_ends_the_oldest_open_run(store: RecordStore, bus: EventBus) -> None:
    first = await triggers.trigger(store, bus, a_request(key="1"))
    second = await triggers.trigger(store, bus, a_request(key="2"))

    assert "recorded" == await record_job_report(context_of(store), completed())

    assert ("completed", "running") == (
        (await read(store, first.id)).status,
        (await read(store, second.id)).status,
    )
    assert "completed" == (await step(store, first, REPORT_STEP)).status


async def test_a_failure_is_recorded_with_its_error(store: RecordStore, bus: EventBus) -> None:
    execution = await triggers.trigger(store, bus, a_request())

    await record_job_report(context_of(store), failed("services.ml_service.url required"))

    record = await read(store, execution.id)
    assert ("failed", "job-failed", "services.ml_service.url required") == (
        record.status,
        record.error_code,
        record.error,
    )


async def test_a_report_that_comes_twice_ends_one_run(store: RecordStore, bus: EventBus) -> None:
    report = completed()
    await triggers.trigger(store, bus, a_request(key="1"))
    await record_job_report(context_of(store), report)
    second = await triggers.trigger(store, bus, a_request(key="2"))

    assert "recorded" == await record_job_report(context_of(store), report)
    assert "running" == (await read(store, second.id)).status


async def test_a_report_whose_listener_died_half_way_is_finished(
    store: RecordStore, bus: EventBus
) -> None:
    from blocks.executions.steps import record_step

    report = completed()
    execution = await triggers.trigger(store, bus, a_request())
    await record_step(store, execution, REPORT_STEP, result={}, event_id=report.id)

    await record_job_report(context_of(store), report)
    assert "completed" == (await read(store, execution.id)).status


async def test_a_report_older_than_the_trigger_belongs_to_no_run(
    store: RecordStore, bus: EventBus
) -> None:
    execution = await triggers.trigger(store, bus, a_request())

    assert "outdated" == await record_job_report(context_of(store), completed(at=utc_now() - HOUR))
    assert "running" == (await read(store, execution.id)).status


@pytest.mark.parametrize("ended", [False, True])
async def test_a_report_that_is_older_than_every_run_is_logged_once_with_both_times(
    store: RecordStore, bus: EventBus, caplog: pytest.LogCaptureFixture, ended: bool
) -> None:
    execution = await triggers.trigger(store, bus, a_request())
    if ended:
        await record_job_report(context_of(store), completed())
    began = (await read(store, execution.id)).started_at
    assert began is not None
    before = began - HOUR

    with caplog.at_level("WARNING"):
        assert "outdated" == await record_job_report(context_of(store), completed(at=before))

    [line] = [one.getMessage() for one in caplog.records if "no run is ended" in one.getMessage()]
    for named in (SYNC.id, before.isoformat(), began.isoformat(), execution.id):
        assert named in line


async def test_a_report_of_a_job_that_never_ran_or_whose_run_has_ended_is_unclaimed(
    store: RecordStore, bus: EventBus
) -> None:
    assert "unclaimed" == await record_job_report(context_of(store), completed())

    await triggers.trigger(store, bus, a_request())
    assert "recorded" == await record_job_report(context_of(store), completed())
    assert "unclaimed" == await record_job_report(context_of(store), completed())


async def test_outdated_reports_are_counted(store: RecordStore, bus: EventBus) -> None:
    await triggers.trigger(store, bus, a_request())
    counted = metrics.EVENTS.labels("workflow.job.completed", "outdated")._value
    before = counted.get()
    report = completed(at=utc_now() - HOUR)
    message = msgspec.structs.replace(to_message(report), routing_key=report.type)

    await Router(context_of(store)).handle(Delivery(message=message, queue="intake"))

    assert before + 1 == counted.get()


async def test_a_report_of_an_unknown_job_is_not_ours(store: RecordStore) -> None:
    assert "unknown" == await record_job_report(
        context_of(store), completed(job="nightly-cleaning")
    )


async def test_a_run_without_a_report_is_unreported_and_operators_are_informed(
    store: RecordStore, bus: EventBus, parts: Parts
) -> None:
    execution = await triggers.trigger(store, bus, a_request())
    assert 0 == await UnreportedJobs(parts).look()
    await sent_long_ago(store, execution, 2 * HOUR)

    async with ledger_of(bus, "unreported") as ledger:
        assert 1 == await UnreportedJobs(parts).look()
        [event] = await ledger.published("workflow.job.unreported")

    assert [] == ledger.invalid()
    assert ("outcome-sync", execution.id) == (event["data"]["job"], event["data"]["executionId"])
    record = await read(store, execution.id)
    assert ("unreported", "outcome-sync was triggered, and no report came within 2 h") == (
        record.status,
        record.error,
    )
    assert record.announced_at


async def test_a_report_after_the_limit_changes_nothing(
    store: RecordStore, bus: EventBus, parts: Parts
) -> None:
    execution = await triggers.trigger(store, bus, a_request())
    await sent_long_ago(store, execution, 3 * HOUR)
    await UnreportedJobs(parts).look()

    assert "unclaimed" == await record_job_report(context_of(store), completed())
    assert "unreported" == (await read(store, execution.id)).status


async def test_the_limit_is_the_jobs_own(store: RecordStore, bus: EventBus, parts: Parts) -> None:
    execution = await triggers.trigger(store, bus, a_request(BACKFILL))
    await sent_long_ago(store, execution, 3 * HOUR)

    assert 0 == await UnreportedJobs(parts).look()
