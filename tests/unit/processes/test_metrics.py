"""What is counted and timed, and that no label grows with tenants, ids or what senders write."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.reconciler.gauges import count_what_is_open
from blocks.adapters.measured_bus import MeteredEventBus
from blocks.adapters.measured_store import MeteredRecordStore
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.approvals import lifecycle
from blocks.approvals.decisions import Vote
from blocks.contracts import ids, rejections
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.executions import transitions
from blocks.executions.steps import record_step
from blocks.ports import (
    Accept,
    AlreadyExists,
    Delivery,
    Message,
    NotFound,
    Query,
    Queue,
    Reject,
    Retry,
    Stale,
    Stored,
    Throttled,
    Unavailable,
    Unroutable,
    Verdict,
)
from blocks.processes.metrics import observed_process
from blocks.tenants.directory import enter_in_directory
from listeners.router import Router
from tests.support.event_context import context_of
from tests.support.factories import A_TENANT, a_step, an_approval, an_execution, new_id, now
from tests.support.metrics import Gain, series, value
from tests.support.stores import FailingStore
from tests.support.waiting import eventually

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")
QUEUE = Queue(name="metered", bindings=["metered.*"], max_attempts=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MeteredRecordStore]:
    async with SqliteRecordStore(tmp_path / "records.db") as store:
        yield MeteredRecordStore(store)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[MeteredEventBus]:
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        yield MeteredEventBus(bus)


def a_message(routing_key: str = "metered.one", body: bytes = b"{}") -> Message:
    return Message(id=new_id(), routing_key=routing_key, body=body, timestamp=now())


# --- the bus --------------------------------------------------------------------------------------


async def test_what_was_published_is_counted_by_type_and_outcome(bus: MeteredEventBus) -> None:
    ours = {"event_type": "workflow.job.trigger"}
    confirmed = Gain(
        "workflow_orchestrator_bus_messages_published_total", **ours, outcome="confirmed"
    )
    unroutable = Gain(
        "workflow_orchestrator_bus_messages_published_total", **ours, outcome="unroutable"
    )

    await bus.publish(a_message("workflow.job.trigger"), a_message("workflow.job.trigger"))
    with pytest.raises(Unroutable):
        await bus.publish(a_message("workflow.job.trigger"), required=True)

    assert (2, 1) == (confirmed(), unroutable())


@pytest.mark.parametrize(
    ("verdict", "counted"),
    [
        (Accept(), "accepted"),
        (Reject(rejections.POISON, "of the test"), "rejected"),
        (Retry(rejections.POISON, "of the test"), "retry"),
        (ValueError("of the test"), "failed"),
    ],
)
async def test_a_delivery_is_counted_by_its_verdict_and_timed(
    bus: MeteredEventBus, verdict: Verdict | Exception, counted: str
) -> None:
    handled = Gain(
        "workflow_orchestrator_bus_messages_handled_total", queue=QUEUE.name, verdict=counted
    )
    consumed = Gain("rabbitmq_messages_consumed_total", queue=QUEUE.name)
    timed = Gain("workflow_orchestrator_bus_handling_duration_seconds_count", queue=QUEUE.name)

    async def judge(_: Delivery) -> Verdict:
        assert 1 == value("workflow_orchestrator_bus_messages_in_hand", queue=QUEUE.name)
        assert 1 == value("workflow_orchestrator_bus_consumer_registered", queue=QUEUE.name)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    async def is_handled() -> bool:
        return handled() >= 1

    await bus.declare(QUEUE)
    async with bus.consume(QUEUE, judge):
        await bus.publish(a_message())
        await eventually(is_handled)

    assert (1, 1, 1) == (handled(), consumed(), timed())
    assert 0 == value("workflow_orchestrator_bus_messages_in_hand", queue=QUEUE.name)
    assert 0 == value("workflow_orchestrator_bus_consumer_registered", queue=QUEUE.name)


async def test_a_message_that_comes_again_is_a_redelivery(bus: MeteredEventBus) -> None:
    queue = Queue(name="metered-again", bindings=["again.*"], retry_delay_seconds=0.05)
    again = Gain("workflow_orchestrator_bus_redeliveries_total", queue=queue.name)
    done = asyncio.Event()

    async def judge(delivery: Delivery) -> Verdict:
        if delivery.attempt == 1:
            return Retry(rejections.POISON, "of the test")
        done.set()
        return Accept()

    await bus.declare(queue)
    async with bus.consume(queue, judge):
        await bus.publish(a_message("again.one"))
        async with asyncio.timeout(10):
            await done.wait()

    assert 1 == again()


# --- the store ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (AlreadyExists("x"), "exists"),
        (Stale("x"), "stale"),
        (NotFound("x"), "not-found"),
        (Throttled("x", 1.0), "throttled"),
        (Unavailable("x"), "unavailable"),
        (ValueError("x"), "error"),
    ],
)
async def test_a_request_that_fails_is_counted_by_its_error(error: Exception, outcome: str) -> None:
    store = MeteredRecordStore(FailingStore(error))
    labels = {"operation": "read", "kind": "execution", "outcome": outcome}
    counted = Gain("workflow_orchestrator_store_requests_total", **labels)

    with pytest.raises(type(error)):
        await store.read(A_TENANT, ExecutionRecord, "e-1")

    assert 1 == counted()


async def test_every_kind_of_request_is_timed(store: MeteredRecordStore) -> None:
    operations = ("provision", "create", "read", "replace", "query", "count", "delete", "ping")
    timed = {
        name: Gain("workflow_orchestrator_store_request_duration_seconds_count", operation=name)
        for name in operations
    }
    execution = an_execution()

    await store.provision()
    stored = await store.create(A_TENANT, execution)
    await store.read(A_TENANT, ExecutionRecord, execution.id)
    await store.replace(A_TENANT, stored.etag, execution)
    await store.query(A_TENANT, Query(ExecutionRecord))
    await store.count(A_TENANT, ExecutionRecord)
    await store.delete(A_TENANT, ExecutionRecord, execution.id)
    await store.ping()

    assert dict.fromkeys(operations, 1) == {name: gain() for name, gain in timed.items()}


# --- executions, steps, approvals -----------------------------------------------------------------


async def test_an_execution_is_counted_when_it_is_opened_and_when_it_ends(
    store: MeteredRecordStore,
) -> None:
    opened = Gain("workflow_orchestrator_executions_opened_total", workflow=WORKFLOW)
    waited = Gain("workflow_orchestrator_execution_wait_seconds_count", workflow=WORKFLOW)
    ended = Gain(
        "workflow_orchestrator_executions_ended_total",
        workflow=WORKFLOW,
        status="failed",
        code="step-timeout",
    )
    lasted = Gain(
        "workflow_orchestrator_execution_duration_seconds_count", workflow=WORKFLOW, status="failed"
    )

    pending = await store.create(A_TENANT, an_execution(status="pending", workflow=WORKFLOW))
    running = await transitions.move(store, pending, "running", started_at=now())
    failed = await transitions.fail(store, running, rejections.STEP_TIMEOUT, "not answered")
    await transitions.change(store, failed, announced_at=now())

    assert (1, 1, 1, 1) == (opened(), waited(), ended(), lasted())


async def test_a_write_that_came_too_late_counts_nothing(store: MeteredRecordStore) -> None:
    running = await store.create(A_TENANT, an_execution(status="running", workflow=WORKFLOW))
    await transitions.complete(store, running)
    cancelled = Gain(
        "workflow_orchestrator_executions_ended_total",
        workflow=WORKFLOW,
        status="cancelled",
        code="cancelled",
    )

    with pytest.raises(Stale):
        await transitions.cancel(store, running, "too late")

    assert 0 == cancelled()


async def test_the_first_end_of_a_step_counts_and_no_later_one(store: MeteredRecordStore) -> None:
    labels = {"workflow": WORKFLOW, "step": "forecast"}
    completed = Gain("workflow_orchestrator_steps_ended_total", **labels, outcome="completed")
    timed_out = Gain("workflow_orchestrator_steps_ended_total", **labels, outcome="step-timeout")
    timed = Gain("workflow_orchestrator_step_duration_seconds_count", **labels)
    execution = an_execution(status="running", workflow=WORKFLOW)

    await record_step(store, execution, "forecast", result={})
    await record_step(
        store, execution, "forecast", error="too late", error_code=rejections.STEP_TIMEOUT
    )

    assert (1, 0, 1) == (completed(), timed_out(), timed())


async def test_an_approval_is_counted_when_it_is_asked_for_and_when_it_is_decided(
    store: MeteredRecordStore,
) -> None:
    requested = Gain("workflow_orchestrator_approvals_requested_total", workflow=WORKFLOW)
    decided = Gain(
        "workflow_orchestrator_approvals_decided_total", outcome="approved", channel="link"
    )
    approval = an_approval(status="pending", workflow=WORKFLOW, requested_by="a person")

    await lifecycle.open_approval(store, approval)
    vote = Vote(
        actor="ann",
        roles=frozenset({"approver"}),
        outcome="approved",
        channel="link",
        reason="why not",
    )
    await lifecycle.record_vote(store, approval.tenant_id, approval.id, vote)
    await lifecycle.change(
        store, approval.tenant_id, approval.id, lambda it: lifecycle.with_bookkeeping(it, waits=9)
    )

    assert (1, 1) == (requested(), decided())


async def test_what_is_open_is_counted_over_all_tenants(store: MeteredRecordStore) -> None:
    for tenant_id in (new_id(), new_id()):
        await enter_in_directory(store, tenant_id)
        await store.create(tenant_id, an_execution(tenant_id=tenant_id, status="running"))
        await store.create(
            tenant_id, an_approval(tenant_id=tenant_id, status="pending", workflow="of the caller")
        )

    await count_what_is_open(store)

    assert 2 == value("workflow_orchestrator_executions_open", status="running")
    assert 0 == value("workflow_orchestrator_executions_open", status="pending")
    assert 2 == value("workflow_orchestrator_approvals_pending", workflow="other")


# --- the process ----------------------------------------------------------------------------------


async def test_the_process_says_who_it_is_and_how_late_its_loop_runs() -> None:
    looked = Gain("workflow_orchestrator_event_loop_lag_seconds_count")

    async def has_looked() -> bool:
        return looked() >= 1

    async with observed_process("tests", "1.2.3"):
        await eventually(has_looked, within_seconds=10)

    assert 1 == value("workflow_orchestrator_process_info", role="tests", version="1.2.3")


# --- labels ---------------------------------------------------------------------------------------


async def test_no_series_is_added_for_a_tenant_an_id_or_what_a_sender_writes(
    store: MeteredRecordStore, bus: MeteredEventBus
) -> None:
    router = Router(context_of(store, bus))
    # of other tests in this process
    earlier = {(one.name, *one.labels.values()) for one in series()}
    for tenant_id in (new_id() for _ in range(10)):
        await traffic_of(tenant_id, router, store, bus)
    before = {(one.name, *one.labels.values()) for one in series()}

    tenants = [new_id() for _ in range(30)]
    for tenant_id in tenants:
        await traffic_of(tenant_id, router, store, bus)

    after = {(one.name, *one.labels.values()) for one in series()}
    assert set() == after - before
    values = {text for _, *labels in after - earlier for text in labels}
    assert [] == [text for text in values if UUID.search(text) or "free text" in text]


async def traffic_of(
    tenant_id: str, router: Router, store: MeteredRecordStore, bus: MeteredEventBus
) -> None:
    """Everything a tenant and its callers may cause, fine or odd, under names that
    no other has.
    """
    odd = f"free text {new_id()}"
    event_id, subject = new_id(), new_id()
    opportunity = {"opportunityId": subject}
    execution_id = ids.execution_id(tenant_id, WORKFLOW, event_id)
    answer = {"riskScore": 0.9, "workflowId": execution_id}
    for event in (
        {"id": event_id, "type": "integration.opportunity.updated", "data": opportunity},
        {"id": event_id, "type": "integration.opportunity.updated", "data": opportunity},
        {"id": new_id(), "type": "integration.opportunity.updated", "data": opportunity},
        {"id": new_id(), "type": "integration.opportunity.updated", "data": odd},
        {"id": new_id(), "type": "shard.updated", "data": {"shardType": odd, "shardId": new_id()}},
        {"id": new_id(), "type": "risk.evaluation.completed", "data": answer},
        {
            "id": new_id(),
            "type": "risk.evaluation.completed",
            "data": {**answer, "workflowId": new_id()},
        },
        {"id": new_id(), "type": "odd." + "".join(filter(str.isalpha, new_id())), "data": {}},
        {"id": new_id(), "type": odd, "data": {}},
    ):
        await judged(router, {**event, "tenantId": tenant_id})
    await bus.publish(a_message(odd), a_message(f"{tenant_id}.{subject}"))
    stored: Stored[Any] = await store.read(tenant_id, ExecutionRecord, execution_id)
    await record_step(store, stored.record, odd, error=odd, error_code=odd)
    stored = await transitions.move(store, stored, "running", started_at=now())
    await transitions.fail(store, stored, odd, odd)
    strange = an_execution(tenant_id=tenant_id, workflow=odd, status="running")
    await transitions.complete(store, await store.create(tenant_id, strange))
    approval = an_approval(
        tenant_id=tenant_id, workflow=odd, status="pending", requested_by="a person"
    )
    await store.create(tenant_id, approval)
    vote = Vote(
        actor=odd, roles=frozenset({"approver"}), outcome="approved", channel=odd, reason=odd
    )
    await lifecycle.record_vote(store, tenant_id, approval.id, vote)
    await store.create(tenant_id, a_step(tenant_id=tenant_id))
    with pytest.raises(NotFound):
        await store.read(tenant_id, ApprovalRecord, new_id())


async def judged(router: Router, event: dict[str, Any]) -> Verdict:
    message = a_message(str(event["type"]), json.dumps(event).encode())
    return await router.handle(Delivery(message=message, queue="metered"))
