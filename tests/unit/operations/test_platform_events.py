"""Events of the platform by whatever way they come: entered once, and each starts its operation
once.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts.events import CONSUMED
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.platform_events import POSTED, check_type, read_platform_event
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.operations import EventRecord
from blocks.contracts.rejections import Rejected
from blocks.operations.events.posting import new_event, post
from blocks.operations.events.taking import forget_events, triggers_of
from blocks.ports import Accept, Delivery, EventBus, Message, Query, RecordStore, Reject, Verdict
from blocks.services import open_bus
from blocks.settings import BadSetting, load_settings
from blocks.topology import intake_queue
from listeners.router import Router
from tests.support.event_context import context_of
from tests.support.factories import A_TENANT, new_id, now
from tests.support.system.ledger import Ledger, ledger_of

TYPE = "disk.nearly-full"
VARIABLES = {"LOG_ROTATION_EVENTS": f"{TYPE}, disk.filling"}
SETTINGS = load_settings(VARIABLES)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EventBus]:
    settings = load_settings({**VARIABLES, "ORCHESTRATOR_DATA_DIR": str(tmp_path)})
    async with open_bus(settings, "test") as bus:
        await bus.declare(intake_queue(settings))
        yield bus


@pytest.fixture
async def ledger(bus: EventBus) -> AsyncIterator[Ledger]:
    async with ledger_of(bus, "test") as ledger:
        yield ledger


@pytest.fixture
def router(store: RecordStore, bus: EventBus) -> Router:
    return Router(replace(context_of(store, bus), triggers=triggers_of(SETTINGS)))


def own_form(id: str, **changes: Any) -> dict[str, Any]:
    """As the platform's operations service and its bus write it."""
    event = {"id": id, "type": TYPE, "payload": {"version": 7}, "source": "deployer"}
    return {**event, "timestamp": "2026-11-29T00:00:00.000Z", **changes}


def platform_form(id: str, **changes: Any) -> dict[str, Any]:
    """As services on RabbitMQ write it."""
    event = {"id": id, "type": TYPE, "version": "1.0", "tenantId": A_TENANT}
    source = {"service": "deployer", "instance": "deployer-1"}
    return {**event, "source": source, "data": {"version": 7}, **changes}


async def judged(router: Router, event: dict[str, Any], key: str = TYPE) -> Verdict:
    message = Message(
        id=new_id(), routing_key=key, body=json.dumps(event).encode(), timestamp=now()
    )
    return await router.handle(Delivery(message=message, queue="q"))


async def logged(store: RecordStore) -> list[EventRecord]:
    page = await store.query(SYSTEM_TENANT, Query(EventRecord))
    return [stored.record for stored in page.items]


async def started(store: RecordStore) -> list[ExecutionRecord]:
    page = await store.query(SYSTEM_TENANT, Query(ExecutionRecord))
    return [stored.record for stored in page.items]


async def test_the_same_id_in_every_form_and_many_times_at_once_starts_one_execution(
    router: Router, store: RecordStore
) -> None:
    ways = [(own_form("evt_1_a"), POSTED), (platform_form("evt_1_a"), TYPE)] * 10

    verdicts = await asyncio.gather(*(judged(router, event, key) for event, key in ways))

    assert [Accept()] * 20 == verdicts
    [event] = await logged(store)
    [execution] = await started(store)
    assert ("evt_1_a", TYPE, {"version": 7}) == (event.event_id, event.event_type, event.payload)
    assert ("log-rotation", TYPE, "pending") == (
        execution.workflow,
        execution.subject,
        execution.status,
    )
    assert 7 == execution.input["version"]
    assert "evt_1_a" == execution.input["triggerEvent"]["id"]


async def test_another_event_under_a_known_id_is_refused_and_the_first_counts(
    router: Router, store: RecordStore
) -> None:
    await judged(router, own_form("evt_1_a"))

    verdict = await judged(router, own_form("evt_1_a", payload={"version": 8}))

    assert isinstance(verdict, Reject)
    assert "id-reuse" == verdict.code
    assert [{"version": 7}] == [event.payload for event in await logged(store)]
    assert 1 == len(await started(store))


async def test_an_event_that_starts_nothing_is_in_the_log_and_on_the_exchange(
    router: Router, store: RecordStore, ledger: Ledger
) -> None:
    assert Accept() == await judged(router, own_form("evt_2_b", type="order.placed"), POSTED)

    assert ["order.placed"] == [event.event_type for event in await logged(store)]
    assert [] == await started(store)
    [published] = await ledger.published("order.placed", count=1)
    assert ("evt_2_b", {"version": 7}, SYSTEM_TENANT) == (
        published["id"],
        published["data"],
        published["tenantId"],
    )


async def test_what_other_services_published_is_not_published_again(
    router: Router, ledger: Ledger
) -> None:
    await judged(router, platform_form("evt_3_c"))
    await judged(router, own_form("evt_4_d"), POSTED)

    assert ["evt_4_d"] == [event["id"] for event in await ledger.published(TYPE, count=1)]


async def test_a_posted_event_is_in_the_listeners_queue(bus: EventBus) -> None:
    event = new_event("order.placed", {"id": 1})

    await post(bus, event)

    [message] = await bus.peek(intake_queue(SETTINGS).name)
    assert (event.id, POSTED) == (message.id, message.routing_key)
    assert event == read_platform_event(message.body, received_at=utc_now())


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b"no json", "malformed-json"),
        (b'{"id": "a", "id": "b", "type": "x.y"}', "malformed-json"),
        (b"[" * 100_000, "schema-invalid"),
        (b'{"type": "x.y"}', "schema-invalid"),
        (b'{"id": "", "type": "x.y"}', "schema-invalid"),
        (b'{"id": "a", "type": "no type"}', "schema-invalid"),
        (b'{"id": "a", "type": "x.y", "payload": ' + b"9" * 400 + b"}", "schema-invalid"),
        (b'{"id": "a", "type": "x.y", "timestamp": "yesterday"}', "schema-invalid"),
        (b'{"id": "a", "type": "x.y", "payload": "' + b"x" * 300_000 + b'"}', "too-large"),
    ],
)
def test_what_is_no_event_is_refused_with_a_code(event: bytes, code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        read_platform_event(event, received_at=now())

    assert code == refusal.value.code


@pytest.mark.parametrize("event_type", [*CONSUMED, "workflow.completed", "workflow.job.trigger"])
def test_no_one_can_post_an_event_of_ours_or_of_another_family(event_type: str) -> None:
    with pytest.raises(ValueError, match="own"):
        check_type(event_type)


@pytest.mark.parametrize("event_type", ["shard.updated", "not a type"])
def test_a_trigger_that_cannot_be_is_refused_with_its_names(event_type: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        load_settings({"LOG_ROTATION_EVENTS": event_type})

    assert f"operations.log_rotation.events (LOG_ROTATION_EVENTS) has {event_type!r}" in str(
        refusal.value
    )


def test_the_queue_is_bound_for_every_type_of_the_table() -> None:
    assert {TYPE, "disk.filling", POSTED} <= set(intake_queue(SETTINGS).bindings)
    assert [["log-rotation"]] * 2 == [
        [operation.id for operation in triggers_of(SETTINGS)[event_type]]
        for event_type in (TYPE, "disk.filling")
    ]


async def test_old_events_go_and_what_they_started_stays_started_once(
    router: Router, store: RecordStore
) -> None:
    await judged(router, own_form("evt_1_a"))

    assert 0 == await forget_events(store, timedelta(days=1))
    assert 1 == await forget_events(store, timedelta(0))
    await judged(router, own_form("evt_1_a"))

    assert 1 == len(await logged(store))
    assert 1 == len(await started(store))
