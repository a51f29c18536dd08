"""What the records let us publish again, and what Prefect has that they lack."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.contracts import ids
from blocks.contracts.approvals import HistoryEntry
from blocks.contracts.jobs import JOB_BY_ID
from blocks.executions import transitions
from blocks.executions.missing import missing_executions
from blocks.jobs import triggers
from blocks.ports import EventBus, Message, Queue, RecordStore
from blocks.republishing import republish
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from blocks.topology import batch_jobs_queue
from tests.support.claims.phase_entries import an_entry
from tests.support.factories import (
    A_TENANT,
    a_flow_run,
    a_step,
    a_tenant_record,
    an_approval,
    an_execution,
    new_id,
    now,
)
from tests.support.flow_runs import RememberedFlowRuns

HOUR = timedelta(hours=1)
EVERYTHING = Queue(name="everything", bindings=("#",))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)})


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[RecordStore]:
    async with open_store(settings) as store:
        await store.provision()
        await store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        yield store


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[EventBus]:
    """Its queue holds what is published from now on."""
    async with open_bus(settings, "test") as bus:
        await bus.declare(EVERYTHING, batch_jobs_queue(settings))
        yield bus


async def published(store: RecordStore, bus: EventBus) -> list[Message]:
    await republish(store, bus, now() - HOUR)
    return await bus.peek(EVERYTHING.name)


async def test_an_end_is_published_again_as_it_was(store: RecordStore, bus: EventBus) -> None:
    ended = an_execution(status="completed", completed_at=now(), results={})
    stored = await store.create(A_TENANT, ended)
    await transitions.announce(store, bus, [stored])

    first, again = await published(store, bus)
    assert (first.id, first.body) == (again.id, again.body)


@pytest.mark.parametrize(
    "announced_at", [None, now() - 2 * HOUR], ids=["owed to others", "before the loss"]
)
async def test_an_end_that_was_not_lost_is_left_alone(
    store: RecordStore, bus: EventBus, announced_at: object
) -> None:
    ended = an_execution(
        status="completed", completed_at=now(), results={}, announced_at=announced_at
    )
    await store.create(A_TENANT, ended)

    assert [] == await published(store, bus)


async def test_only_the_steps_that_lack_an_answer_are_asked_for(
    store: RecordStore, bus: EventBus
) -> None:
    running = an_execution(status="running", started_at=now())
    await store.create(A_TENANT, running)
    await store.create(A_TENANT, a_step(execution_id=running.id, step="forecast"))

    assert {
        ids.step_requested_event_id(running.id, step)
        for step in ("risk_analysis", "risk_scoring", "recommendation")
    } == {message.id for message in await published(store, bus)}


async def test_of_an_approval_what_happened_since_is_published_again(
    store: RecordStore, bus: EventBus
) -> None:
    history = [
        HistoryEntry(what="requested", at=now() - 2 * HOUR, actor="rule"),
        HistoryEntry(what="reminded", at=now(), actor="clock"),
    ]
    approval = an_approval(created_at=now() - 2 * HOUR, history=history, published_count=2)
    await store.create(A_TENANT, approval)

    assert [ids.approval_event_id(approval.id, "reminded-1")] == [
        message.id for message in await published(store, bus)
    ]


async def test_phases_and_the_trigger_of_a_job_that_is_not_reported_are_published_again(
    store: RecordStore, bus: EventBus
) -> None:
    line = an_entry(created_at=now())
    await store.create(line.tenant_id, line)
    request = triggers.by_hand(JOB_BY_ID["outcome-sync"], "api", "1", {})
    job = await triggers.trigger(store, bus, request)

    sent, phase, again = await published(store, bus)
    assert (line.id, job.trigger_ids[0]) == (phase.id, again.id)
    assert (sent.id, sent.body) == (again.id, again.body)


async def test_what_prefect_carried_and_no_record_has_is_missing(store: RecordStore) -> None:
    known = an_execution()
    await store.create(A_TENANT, known)
    lost, under_way = new_id(), new_id()
    prefect = RememberedFlowRuns()
    prefect.runs = [
        a_flow_run(state="completed", execution_ids=[known.id, lost], name="2 opportunities"),
        a_flow_run(state="paused", execution_ids=[under_way]),
    ]

    missing = await missing_executions(store, prefect, now() - HOUR)

    assert [lost, under_way] == [one.execution_id for one in missing]
    assert "2 opportunities" == missing[0].flow_run_name
