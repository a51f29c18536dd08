"""Retries: the same execution, another try; what was published and done in earlier ones stands."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.reconciler import Parts
from api.reconciler.kinds.ended_runs import EndedRuns
from blocks import signals
from blocks.actions.retrying import RETRIES_MAX, NotRetryable, retry_execution
from blocks.approvals import lifecycle
from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.envelope import Event
from blocks.contracts.events import RiskEvaluationFailed
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.states import ExecutionStatus
from blocks.executions import transitions
from blocks.executions.steps import by_step, record_step, step_records
from blocks.ports import EventBus, Message, NotFound, RecordStore, Stale, Stored
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from flows.shared.claims import claim, newest
from listeners.answers.steps import record_answers
from tests.support.event_context import context_of
from tests.support.factories import (
    A_TENANT,
    ANOTHER_TENANT,
    a_flow_run,
    an_approval,
    an_execution,
    new_id,
    now,
)
from tests.support.flow_runs import RememberedFlowRuns
from tests.support.waiting import eventually


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[RecordStore]:
    async with open_store(settings) as store:
        yield store


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[EventBus]:
    async with open_bus(settings, "test") as bus:
        yield bus


@pytest.fixture
def published(bus: EventBus, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was published, in order."""
    published: list[dict[str, Any]] = []
    publish = bus.publish

    async def keep_published(*messages: Message, required: bool = False) -> None:
        published.extend(msgspec.json.decode(message.body) for message in messages)
        await publish(*messages, required=required)

    monkeypatch.setattr(bus, "publish", keep_published)
    return published


def a_failed_one(**changes: Any) -> ExecutionRecord:
    ended = {
        "status": "failed",
        "error": "no model",
        "error_code": "step-failed",
        "failed_step": "risk_analysis",
        "flow_run_id": "run-1",
        "attempt": 1,
        "started_at": now(),
        "completed_at": now(),
        "announced_at": now(),
    }
    return an_execution(**(ended | changes))


async def failed(store: RecordStore, **changes: Any) -> Stored[ExecutionRecord]:
    return await store.create(A_TENANT, a_failed_one(**changes))


async def retried(store: RecordStore, bus: EventBus, **changes: Any) -> ExecutionRecord:
    return await retry_execution(store, bus, A_TENANT, (await failed(store, **changes)).record.id)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_what_did_not_succeed_is_pending_again_and_keeps_how_it_ended(
    store: RecordStore, bus: EventBus, status: ExecutionStatus
) -> None:
    record = await retried(store, bus, status=status)

    assert ("pending", 1, None, None, None) == (
        record.status,
        record.retries,
        record.flow_run_id,
        record.error,
        record.completed_at,
    )
    [end] = record.previous_outcomes
    assert (status, "no model", "risk_analysis", "run-1") == (
        end.status,
        end.error,
        end.failed_step,
        end.flow_run_id,
    )


async def test_a_retry_keeps_the_definition_it_started_with(
    store: RecordStore, bus: EventBus
) -> None:
    record = await retried(store, bus, definition_version=1)

    claimed = await claim(
        store, A_TENANT, record.id, "run-2", definition_version=2, workflow=WORKFLOW
    )

    assert claimed
    assert 1 == claimed.record.definition_version


async def test_the_record_names_who_retried_it(store: RecordStore, bus: EventBus) -> None:
    stored = await failed(store)

    record = await retry_execution(store, bus, A_TENANT, stored.record.id, "ann")

    assert ["ann"] == [end.retried_by for end in record.previous_outcomes]


@pytest.mark.parametrize("status", ["pending", "running", "awaiting_approval", "completed"])
async def test_anything_else_is_not_retried(
    store: RecordStore, bus: EventBus, status: ExecutionStatus
) -> None:
    stored = await store.create(A_TENANT, an_execution(status=status, announced_at=now()))

    with pytest.raises(NotRetryable, match=f"it is {status}"):
        await retry_execution(store, bus, A_TENANT, stored.record.id)
    assert stored == await store.read(A_TENANT, ExecutionRecord, stored.record.id)


async def test_another_tenants_execution_is_not_found(store: RecordStore, bus: EventBus) -> None:
    stored = await failed(store)

    with pytest.raises(NotFound):
        await retry_execution(store, bus, ANOTHER_TENANT, stored.record.id)


async def test_a_batch_job_is_not_retried(store: RecordStore, bus: EventBus) -> None:
    with pytest.raises(NotRetryable, match="trigger its job again"):
        await retried(store, bus, workflow="batch-job")


async def test_retries_come_to_an_end(store: RecordStore, bus: EventBus) -> None:
    record = await retried(store, bus)

    with pytest.raises(NotRetryable, match="rerun it"):
        await retried(store, bus, previous_outcomes=record.previous_outcomes * RETRIES_MAX)


async def test_fifty_at_once_are_one_retry(store: RecordStore, bus: EventBus) -> None:
    stored = await failed(store)

    outcomes = await asyncio.gather(
        *(retry_execution(store, bus, A_TENANT, stored.record.id) for _ in range(50)),
        return_exceptions=True,
    )

    assert 1 == sum(isinstance(outcome, ExecutionRecord) for outcome in outcomes)
    assert 49 == sum(isinstance(outcome, NotRetryable) for outcome in outcomes)
    assert 1 == (await store.read(A_TENANT, ExecutionRecord, stored.record.id)).record.retries


async def test_an_end_that_is_owed_is_announced_before_the_next_try(
    store: RecordStore, bus: EventBus, published: list[dict[str, Any]]
) -> None:
    record = await retried(store, bus, announced_at=None)

    assert [("workflow.opportunity.analysis.failed", ids.terminal_event_id(record.id))] == [
        (event["type"], event["id"]) for event in published
    ]


async def test_every_try_has_an_end_of_its_own(
    store: RecordStore, bus: EventBus, published: list[dict[str, Any]]
) -> None:
    record = await retried(store, bus)
    running = await claim(store, A_TENANT, record.id, "run-2", workflow=WORKFLOW)
    assert running

    await transitions.announce(
        store, bus, [await transitions.complete(store, running, results={"risk": {}})]
    )

    assert [("workflow.opportunity.analysis.completed", ids.terminal_event_id(record.id, 1))] == [
        (event["type"], event["id"]) for event in published
    ]
    assert ids.terminal_event_id(record.id, 1) != ids.terminal_event_id(record.id)


async def test_a_worker_of_the_try_before_cannot_write(store: RecordStore, bus: EventBus) -> None:
    pending = await store.create(A_TENANT, an_execution())
    held = await claim(store, A_TENANT, pending.record.id, "run-1", workflow=WORKFLOW)
    assert held
    cancelled = await transitions.cancel(store, held, "not wanted")
    await retry_execution(store, bus, A_TENANT, cancelled.record.id)
    # its very run claims the retry, in another process
    await claim(store, A_TENANT, held.record.id, "run-1", workflow=WORKFLOW)

    with pytest.raises(Stale):
        await transitions.complete(store, held)
    with pytest.raises(Stale):
        await newest(store, held)


async def test_dispatchers_are_notified_of_it(store: RecordStore, bus: EventBus) -> None:
    received: list[bytes] = []

    async def receive(body: bytes) -> None:
        received.append(body)

    async with bus.listen(signals.EXECUTION_OPENED, receive):
        record = await retried(store, bus, priority=3)

        async def is_received() -> bool:
            return bool(received)

        await eventually(is_received)
    opened = msgspec.json.decode(received[0], type=signals.Opened)
    assert (A_TENANT, record.id, 3) == (opened.tenant_id, opened.execution_id, opened.priority)


# --- steps ----------------------------------------------------------------------------------------


async def test_steps_that_succeeded_are_kept_and_those_that_failed_are_open_again(
    store: RecordStore, bus: EventBus
) -> None:
    stored = await failed(store)
    await record_step(store, stored.record, "risk_analysis", error="no model")
    await record_step(store, stored.record, "forecast", result={"revenueForecast": 5})

    again = await retry_execution(store, bus, A_TENANT, stored.record.id)
    assert {"forecast"} == by_step(again, await step_records(store, A_TENANT, [again.id])).keys()

    await record_step(store, again, "risk_analysis", result={"riskScore": 0.1})
    steps = by_step(again, await step_records(store, A_TENANT, [again.id]))
    assert {"forecast": 0, "risk_analysis": 1} == {name: step.retry for name, step in steps.items()}
    assert {ids.step_id(again.id, "risk_analysis")} == {steps["risk_analysis"].step_id}


async def test_the_failure_that_ended_it_does_not_fail_its_retry_when_it_is_delivered_again(
    store: RecordStore, bus: EventBus
) -> None:
    stored = await store.create(
        A_TENANT, an_execution(status="running", attempt=1, flow_run_id="run-1")
    )
    failure = Event(
        id=new_id(),
        tenant_id=A_TENANT,
        timestamp=now(),
        data=RiskEvaluationFailed(opportunity_id=stored.record.subject, error="no model"),
        source="risk-analytics",
    )
    assert ["recorded"] == await record_answers(context_of(store, bus), [failure])
    await transitions.fail(store, stored, "step-failed", "no model")
    again = await retry_execution(store, bus, A_TENANT, stored.record.id)
    await claim(store, A_TENANT, again.id, "run-2", workflow=WORKFLOW)

    assert ["known"] == await record_answers(context_of(store, bus), [failure])
    assert {} == by_step(again, await step_records(store, A_TENANT, [again.id]))


# --- approvals ------------------------------------------------------------------------------------


async def test_a_retry_asks_again_unless_it_was_granted(store: RecordStore, bus: EventBus) -> None:
    stored = await failed(store)
    granted = an_approval(execution_id=stored.record.id, status="approved")
    for one in (granted, an_approval(execution_id=stored.record.id, status="rejected")):
        await store.create(A_TENANT, one)

    again = await retry_execution(store, bus, A_TENANT, stored.record.id)

    assert [granted.id] == [one.record.id for one in await lifecycle.approvals_of(store, again)]


async def test_no_one_is_asked_any_more_about_the_try_before(
    store: RecordStore, bus: EventBus
) -> None:
    stored = await failed(store)
    left_over = await store.create(A_TENANT, an_approval(execution_id=stored.record.id))

    await retry_execution(store, bus, A_TENANT, stored.record.id)

    assert (
        "cancelled"
        == (await store.read(A_TENANT, ApprovalRecord, left_over.record.id)).record.status
    )


# --- the reconciler -------------------------------------------------------------------------------


@pytest.mark.parametrize(("ended_run", "expected"), [("run-1", "pending"), ("run-2", "cancelled")])
async def test_only_a_run_of_the_retry_can_end_it(
    store: RecordStore, bus: EventBus, settings: Settings, ended_run: str, expected: ExecutionStatus
) -> None:
    record = await retried(store, bus, flow_run_id="run-1")
    prefect = RememberedFlowRuns()
    prefect.runs = [a_flow_run(id=ended_run, state="cancelled", execution_ids=[record.id])]

    await EndedRuns(Parts.of(settings, store, bus, prefect)).look()

    assert expected == (await store.read(A_TENANT, ExecutionRecord, record.id)).record.status
