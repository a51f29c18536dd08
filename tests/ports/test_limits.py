"""Limits hold when a hundred ask at once, in two processes that share one store."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from blocks.actions import starting
from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.approvals import lifecycle
from blocks.approvals.changes import ApprovalFull, linked
from blocks.clock import utc_now
from blocks.contracts.records import (
    ApiKeyRecord,
    ApprovalRecord,
    ExecutionRecord,
    Place,
    RosterRecord,
)
from blocks.ports import RecordStore
from blocks.security import api_keys
from blocks.services import open_bus
from blocks.settings import load_settings
from blocks.tenants import rosters
from blocks.webhooks import subscriptions
from blocks.webhooks.outgoing_http import HostRules
from tests.ports.test_record_store import cosmos_store
from tests.support.factories import A_TENANT, a_webhook, an_approval, an_execution, new_id

AT_ONCE = 100
RULES = HostRules.of("")
Stores = tuple[RecordStore, RecordStore]


@pytest.fixture(params=["sqlite", pytest.param("cosmos", marks=pytest.mark.long)])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    """Two processes' stores: of one file, or of one database."""
    if request.param == "sqlite":
        async with (
            SqliteRecordStore(tmp_path / "r.db") as one,
            SqliteRecordStore(tmp_path / "r.db") as other,
        ):
            yield one, other
    else:
        emulator, name = request.getfixturevalue("cosmos_emulator"), new_id()
        async with cosmos_store(emulator, name) as one, cosmos_store(emulator, name) as other:
            await one.provision()
            yield one, other


async def add_webhook(store: RecordStore, _: int) -> None:
    await subscriptions.subscribe(store, A_TENANT, "https://hooks.example.com/x", (), RULES)


async def add_key_of_one_name(store: RecordStore, _: int) -> None:
    await api_keys.create_key(store, A_TENANT, "billing", ["viewer"], lives=timedelta(hours=1))


async def add_key(store: RecordStore, number: int) -> None:
    await api_keys.create_key(
        store, A_TENANT, f"key-{number}", ["viewer"], lives=timedelta(hours=1)
    )


async def add_link(store: RecordStore, _: int) -> None:
    await lifecycle.change(
        store, A_TENANT, APPROVAL.id, lambda one: linked(one, "ada", "ada", utc_now())
    )


async def ask(store: RecordStore, _: int) -> None:
    wanted = an_approval(id=new_id(), execution_id=EXECUTION.id)
    stored = await lifecycle.open_approval(store, wanted)
    await lifecycle.attach(store, stored, at_most=lifecycle.ASKED_MAX)


APPROVAL = an_approval()
EXECUTION = an_execution(status="running")


class Limited(msgspec.Struct, frozen=True):
    add: Callable[[RecordStore, int], Awaitable[None]]
    at_most: int
    refusal: type[Exception]
    there: Callable[[RecordStore], Awaitable[int]]


async def webhooks_there(store: RecordStore) -> int:
    return len(await subscriptions.subscriptions(store, A_TENANT))


async def keys_there(store: RecordStore) -> int:
    return len(await api_keys.keys_of(store, A_TENANT))


async def links_there(store: RecordStore) -> int:
    record = (await store.read(A_TENANT, ApprovalRecord, APPROVAL.id)).record
    return sum(entry.what == "linked" for entry in record.history)


async def asked_there(store: RecordStore) -> int:
    return len((await store.read(A_TENANT, ExecutionRecord, EXECUTION.id)).record.approval_ids)


LIMITED = {
    "webhooks": Limited(
        add_webhook, subscriptions.SUBSCRIPTIONS_MAX, subscriptions.TooManyWebhooks, webhooks_there
    ),
    "keys of a name": Limited(
        add_key_of_one_name, api_keys.LIVE_MAX, api_keys.TooManyKeys, keys_there
    ),
    "keys of a tenant": Limited(add_key, 25, api_keys.TooManyKeys, keys_there),
    "links of an approval": Limited(add_link, 25, ApprovalFull, links_there),
    "approvals of an execution": Limited(ask, 25, lifecycle.TooManyAsked, asked_there),
}


@pytest.mark.parametrize("what", LIMITED)
async def test_of_a_hundred_at_once_as_many_are_made_as_may(
    stores: Stores, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "blocks.security.api_keys.TENANT_MAX",
        "blocks.approvals.changes.LINKS_MAX",
        "blocks.approvals.lifecycle.ASKED_MAX",
    ):
        monkeypatch.setattr(name, 25)  # a hundred at once must be more than may
    limited = LIMITED[what]
    await stores[0].create(A_TENANT, APPROVAL)
    await stores[0].create(A_TENANT, EXECUTION)

    outcomes = await asyncio.gather(
        *(limited.add(stores[number % 2], number) for number in range(AT_ONCE)),
        return_exceptions=True,
    )

    made = Counter(type(outcome) for outcome in outcomes)
    assert {type(None): limited.at_most, limited.refusal: AT_ONCE - limited.at_most} == made
    assert limited.at_most == await limited.there(stores[1])


async def test_a_hundred_reruns_at_once_are_one(stores: Stores, tmp_path: Path) -> None:
    ended = an_execution(status="completed")
    await stores[0].create(A_TENANT, ended)

    async with open_bus(load_settings({"ORCHESTRATOR_DATA_DIR": str(tmp_path)}), "api") as bus:
        reruns = await asyncio.gather(
            *(
                starting.rerun_execution(stores[number % 2], bus, A_TENANT, ended.id)
                for number in range(AT_ONCE)
            )
        )

    assert 1 == len({one.id for one in reruns})


async def test_what_is_removed_makes_room_at_once(stores: Stores) -> None:
    for number in range(subscriptions.SUBSCRIPTIONS_MAX):
        await add_webhook(stores[0], number)
    await subscriptions.unsubscribe(
        stores[1], (await subscriptions.subscriptions(stores[0], A_TENANT))[0]
    )

    await add_webhook(stores[0], 0)

    assert subscriptions.SUBSCRIPTIONS_MAX == await webhooks_there(stores[1])


async def test_a_revoked_key_makes_room_at_once(stores: Stores) -> None:
    for _ in range(api_keys.LIVE_MAX):
        await add_key_of_one_name(stores[0], 0)
    await api_keys.revoke_key(
        stores[1], A_TENANT, (await api_keys.keys_of(stores[0], A_TENANT))[0].prefix
    )

    await add_key_of_one_name(stores[0], 0)

    live = [one for one in await api_keys.keys_of(stores[1], A_TENANT) if one.is_live(utc_now())]
    assert api_keys.LIVE_MAX == len(live)
    assert all(isinstance(one, ApiKeyRecord) for one in live)


async def test_webhooks_from_before_there_was_a_roster_count(stores: Stores) -> None:
    for _ in range(subscriptions.SUBSCRIPTIONS_MAX):
        await stores[0].create(A_TENANT, a_webhook(id=new_id()))

    with pytest.raises(subscriptions.TooManyWebhooks):
        await add_webhook(stores[1], 0)


@pytest.mark.parametrize(("age", "fits"), [(timedelta(0), False), (rosters.GRACE, True)])
async def test_a_place_taken_by_a_process_that_died_is_free_again_after_a_while(
    stores: Stores, age: timedelta, fits: bool
) -> None:
    taken = Place(group="", since=utc_now() - age)
    roster = RosterRecord(
        id=RosterRecord.id_of("webhooks", A_TENANT),
        tenant_id=A_TENANT,
        created_at=utc_now(),
        places={new_id(): taken for _ in range(subscriptions.SUBSCRIPTIONS_MAX)},
    )
    await stores[0].create(A_TENANT, roster)

    if fits:
        await add_webhook(stores[1], 0)
    else:
        with pytest.raises(subscriptions.TooManyWebhooks):
            await add_webhook(stores[1], 0)
