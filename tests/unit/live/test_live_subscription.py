"""An API process receives events while a client follows them, wherever that is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from api.live.filters import Filters
from api.live.follower import Behind
from api.live.hub import Hub
from api.live.subscription import LiveSubscription
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.ports import EventBus
from blocks.processes.ending import ended
from tests.support.api.live import a_step_event, live_settings
from tests.support.factories import A_TENANT
from tests.support.waiting import eventually

EVERYTHING = Filters()


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EventBus]:
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        yield bus


@asynccontextmanager
async def a_process(bus: EventBus, kept_seconds: float) -> AsyncIterator[Hub]:
    hub = Hub(live_settings())
    running = asyncio.create_task(LiveSubscription(bus, hub, kept_seconds).run())
    await asyncio.sleep(0.1)  # it listens for signals from now on
    try:
        yield hub
    finally:
        await ended(running)


async def number_after(bus: EventBus, hub: Hub) -> int:
    """How far the hub has come when this bus has had its time to hand an event over."""
    heard = Hub(live_settings())
    async with bus.subscribe(["#"], heard):
        await bus.publish(a_step_event())

        async def has_come() -> bool:
            return heard.now().number == 1

        await eventually(has_come)
    return hub.now().number


async def test_nothing_is_received_while_nobody_follows(bus: EventBus) -> None:
    async with a_process(bus, kept_seconds=600) as hub:
        assert 0 == await number_after(bus, hub)


async def test_a_client_misses_nothing_from_its_admission_on(bus: EventBus) -> None:
    async with a_process(bus, kept_seconds=600) as hub:
        await hub.before_admission()
        follower = hub.admit(A_TENANT, EVERYTHING)
        await bus.publish(event := a_step_event())

        async def has_it() -> bool:
            return [event.id] == [entry.event.event_id for entry in follower.read()]

        await eventually(has_it)


async def test_a_client_may_come_back_to_any_process_for_a_while(bus: EventBus) -> None:
    async with a_process(bus, kept_seconds=600) as one, a_process(bus, kept_seconds=600) as other:
        await one.before_admission()
        one.dismiss(one.admit(A_TENANT, EVERYTHING))

        async def has_what_came_since(hub: Hub) -> bool:
            await number_after(bus, one)
            left_at = one.now()
            await bus.publish(missed := a_step_event())
            await number_after(bus, hub)
            await hub.before_admission()
            again = hub.admit(A_TENANT, EVERYTHING, after=left_at)
            with suppress(Behind):  # another process goes back a second, and must have been there
                return missed.id in [entry.event.event_id for entry in again.read()]
            return False

        await eventually(partial(has_what_came_since, one))
        await eventually(partial(has_what_came_since, other))


async def test_long_after_the_last_client_nothing_is_received_and_who_comes_back_reads_again(
    bus: EventBus,
) -> None:
    async with a_process(bus, kept_seconds=0.2) as hub:
        await hub.before_admission()
        hub.dismiss(hub.admit(A_TENANT, EVERYTHING))
        left_at = hub.now()

        async def receives_nothing() -> bool:
            before = hub.now().number
            return before == await number_after(bus, hub)

        await eventually(receives_nothing)

        await hub.before_admission()
        with pytest.raises(Behind):
            hub.admit(A_TENANT, EVERYTHING, after=left_at).read()
