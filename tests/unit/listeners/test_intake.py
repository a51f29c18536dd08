"""Intake: one execution per event, and pending executions absorb what comes for their subject."""

import asyncio
import json
from hashlib import sha256
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.approvals import ApprovalRule, Condition
from blocks.contracts.envelope import Event, EventMetadata, decode_event
from blocks.contracts.events import EventData, IntegrationOpportunityUpdated, ShardUpdated
from blocks.contracts.records import ExecutionRecord, TenantRecord
from blocks.executions import transitions
from blocks.ports import EventBus, Query, RecordStore, Stored
from flows.analysis.progress import Analysis, rules_in
from listeners.triggers.intake import Intake, passed_over
from listeners.triggers.table import TRIGGERS
from tests.support.event_context import context_of
from tests.support.factories import A_TENANT, ANOTHER_TENANT, a_definition


@pytest.fixture
def intake(store: RecordStore, bus: EventBus) -> Intake:
    return context_of(store, bus).intake


def event_about(
    data: EventData, *, tenant_id: str = A_TENANT, event_id: str | None = None
) -> Event[EventData]:
    return Event(
        id=event_id or str(uuid4()),
        tenant_id=tenant_id,
        timestamp=utc_now(),
        data=data,
        source="test",
    )


def opportunity_updated(opportunity_id: str, **changes: Any) -> Event[EventData]:
    return event_about(IntegrationOpportunityUpdated(opportunity_id=opportunity_id), **changes)


async def take(intake: Intake, event: Event[EventData]) -> str:
    digest = event.digest or sha256(msgspec.json.encode(event.data)).hexdigest()
    trigger = (TRIGGERS[type(event.data)], replace(event, digest=digest))
    [outcome] = await intake.open([trigger])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def executions_of(store: RecordStore, tenant_id: str = A_TENANT) -> list[ExecutionRecord]:
    return [
        stored.record for stored in (await store.query(tenant_id, Query(ExecutionRecord))).items
    ]


async def test_an_event_becomes_a_pending_execution_of_its_tenant(
    intake: Intake, store: RecordStore
) -> None:
    event = opportunity_updated("o-1")

    assert await take(intake, event) == "created"

    [execution] = await executions_of(store)
    assert execution.id == ids.execution_id(A_TENANT, "opportunity-analysis", event.id)
    assert ("pending", "o-1", [event.id]) == (
        execution.status,
        execution.subject,
        execution.trigger_ids,
    )


async def test_an_execution_knows_in_whose_name_its_event_came(
    intake: Intake, store: RecordStore
) -> None:
    await take(intake, replace(opportunity_updated("o-1"), metadata=EventMetadata(user_id="olga")))

    [execution] = await executions_of(store)
    assert ["olga"] == [trigger.actor for trigger in execution.triggers]


async def test_an_event_delivered_twice_starts_one_execution(
    intake: Intake, store: RecordStore
) -> None:
    event = opportunity_updated("o-1")

    outcomes = await asyncio.gather(*(take(intake, event) for _ in range(20)))

    assert ["created"] + ["duplicate"] * 19 == sorted(outcomes)
    assert len(await executions_of(store)) == 1


async def test_a_pending_execution_absorbs_events_of_its_subject(
    intake: Intake, store: RecordStore
) -> None:
    events = [opportunity_updated("o-1") for _ in range(10)]

    outcomes = await asyncio.gather(*(take(intake, event) for event in events))

    assert ["absorbed"] * 9 + ["created"] == sorted(outcomes)
    [execution] = await executions_of(store)
    assert {event.id for event in events} == set(execution.trigger_ids)


async def test_an_absorbed_event_delivered_again_after_the_start_changes_nothing(
    intake: Intake, store: RecordStore
) -> None:
    first, absorbed = opportunity_updated("o-1"), opportunity_updated("o-1")
    await take(intake, first)
    await take(intake, absorbed)
    [stored] = (await store.query(A_TENANT, Query(ExecutionRecord))).items
    await transitions.move(store, stored, "running")

    assert await take(intake, absorbed) == "duplicate"
    assert len(await executions_of(store)) == 1


async def test_an_absorbed_event_is_known_however_many_executions_followed(
    intake: Intake, store: RecordStore
) -> None:
    absorbed = opportunity_updated("o-1")
    await take(intake, opportunity_updated("o-1"))
    await take(intake, absorbed)
    for _ in range(25):
        await run_all(store)
        await take(intake, opportunity_updated("o-1"))

    assert await take(intake, absorbed) == "duplicate"


async def test_an_event_after_the_start_is_a_new_execution(
    intake: Intake, store: RecordStore
) -> None:
    await take(intake, opportunity_updated("o-1"))
    await run_all(store)

    assert await take(intake, opportunity_updated("o-1")) == "created"


async def test_a_retried_execution_absorbs_nothing(intake: Intake, store: RecordStore) -> None:
    await take(intake, opportunity_updated("o-1"))
    [stored] = (await store.query(A_TENANT, Query(ExecutionRecord))).items
    await transitions.reopen(store, await transitions.cancel(store, stored, "not wanted"))

    assert await take(intake, opportunity_updated("o-1")) == "created"


async def test_an_opportunity_and_its_shard_are_one_subject(
    intake: Intake, store: RecordStore
) -> None:
    shard = ShardUpdated(shard_id="s-1", shard_type_name="c_opportunity", opportunity_id="o-1")
    await take(intake, opportunity_updated("o-1"))

    assert await take(intake, event_about(shard)) == "absorbed"


@pytest.mark.parametrize("name", ["opportunity", "c_opportunity", "Opportunity"])
async def test_a_shard_of_type_opportunity_stands_for_itself(
    intake: Intake, store: RecordStore, name: str
) -> None:
    await take(intake, event_about(ShardUpdated(shard_id="s-1", shard_type_name=name)))

    assert ["s-1"] == [execution.subject for execution in await executions_of(store)]


async def test_a_shard_of_another_type_is_ignored(intake: Intake, store: RecordStore) -> None:
    assert (
        await take(intake, event_about(ShardUpdated(shard_id="s-1", shard_type_name="contact")))
        == "ignored"
    )
    assert [] == await executions_of(store)


async def test_tenants_with_the_same_opportunity_id_do_not_meet(
    intake: Intake, store: RecordStore
) -> None:
    await take(intake, opportunity_updated("o-1"))

    assert await take(intake, opportunity_updated("o-1", tenant_id=ANOTHER_TENANT)) == "created"
    assert [1, 1] == [
        len(await executions_of(store, tenant)) for tenant in (A_TENANT, ANOTHER_TENANT)
    ]


async def test_a_tenant_is_in_the_directory_from_its_first_event_on(
    intake: Intake, store: RecordStore
) -> None:
    await take(intake, opportunity_updated("o-1"))

    directory = await store.query(ids.SYSTEM_TENANT, Query(TenantRecord))
    assert [A_TENANT] == [stored.record.tenant for stored in directory.items]


async def run_all(store: RecordStore) -> None:
    pending = await store.query(A_TENANT, Query(ExecutionRecord, {"status": "pending"}))
    for stored in pending.items:
        await transitions.move(store, stored, "running")


async def test_events_of_a_tenant_that_wants_none_start_nothing_now_or_later(
    intake: Intake, store: RecordStore
) -> None:
    await store.create(A_TENANT, a_definition(enabled=False))
    event = opportunity_updated("o-1")

    assert ["disabled", "created"] == [
        await take(intake, event),
        await take(intake, opportunity_updated("o-1", tenant_id=ANOTHER_TENANT)),
    ]

    assert [] == await executions_of(store)
    assert 1 == passed_over[A_TENANT]


@pytest.mark.parametrize(
    ("stated", "asks"),
    [
        ({"Amount": "2000000"}, True),
        ({}, True),
        ({"amount": 10**30}, True),
        ({"amount": "5"}, False),
    ],
)
async def test_what_an_event_states_of_money_reaches_the_gate_through_the_store(
    intake: Intake, store: RecordStore, stated: dict[str, Any], asks: bool
) -> None:
    data = {"opportunityId": "o-1", **stated}
    body = json.dumps(
        {
            "id": "e-1",
            "type": IntegrationOpportunityUpdated.event_type,
            "tenantId": A_TENANT,
            "data": data,
        }
    ).encode()
    rule = ApprovalRule(
        enabled=True, conditions=[Condition(path="subject.amount", op="gte", value=1_000_000)]
    )

    await take(intake, decode_event(body, received_at=utc_now()))

    (record,) = await executions_of(store)
    analysis = Analysis(Stored(record, "etag"), rules_in(a_definition(approval=rule)))
    assert asks == analysis.needs_approval
