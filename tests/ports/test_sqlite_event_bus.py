"""What only the embedded event bus can show."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from blocks.adapters.consuming import DELIVERY_LIMIT
from blocks.adapters.sqlite import event_tables as tables
from blocks.adapters.sqlite import subscription_tables
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.adapters.sqlite.file import SqliteFile
from blocks.adapters.sqlite.subscription import SqliteSubscription
from blocks.ports import Message, Queue, Unavailable
from tests.support.inbox import Inbox
from tests.support.subscriber import RememberingSubscriber
from tests.support.waiting import eventually

ORDERS = Queue(name="orders", bindings=("order.*",))
MESSAGE = Message(
    id="1", routing_key="order.placed", body=b"{}", timestamp=datetime(2026, 1, 2, tzinfo=UTC)
)


async def lose_one_consumer(file: Path) -> None:
    """A consumer takes what is there and vanishes; its lease is over at once."""
    async with SqliteFile(file, tables.SCHEMA) as opened:
        await opened.run(
            partial(tables.claim, queue=ORDERS.name, owner="lost", limit=10, lease_seconds=0.0)
        )


async def test_a_message_that_takes_its_consumers_down_is_a_dead_letter_in_the_end(
    tmp_path: Path,
) -> None:
    inbox = Inbox()
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        await bus.declare(ORDERS)
        await bus.publish(MESSAGE)
        for _ in range(DELIVERY_LIMIT):
            await lose_one_consumer(tmp_path / "bus.db")

        async with bus.consume(ORDERS, inbox):
            [letter] = await eventually(lambda: bus.peek(ORDERS.dead_letters))

    assert (letter.headers["x-reject-code"], inbox.deliveries) == ("poison", [])


async def test_fewer_losses_do_not_make_a_dead_letter(tmp_path: Path) -> None:
    inbox = Inbox()
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        await bus.declare(ORDERS)
        await bus.publish(MESSAGE)
        for _ in range(DELIVERY_LIMIT - 1):
            await lose_one_consumer(tmp_path / "bus.db")

        async with bus.consume(ORDERS, inbox):
            await inbox.holds(1)

    assert [(1, True)] == [
        (delivery.attempt, delivery.redelivered) for delivery in inbox.deliveries
    ]


async def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "bus.db").write_bytes(b"no database" * 1_000)

    with pytest.raises(Unavailable, match=r"bus\.db"):
        async with SqliteEventBus(tmp_path / "bus.db"):
            pass


async def test_a_closed_bus_is_unavailable(tmp_path: Path) -> None:
    async with SqliteEventBus(tmp_path / "bus.db") as bus:
        pass

    with pytest.raises(Unavailable):
        await bus.publish(MESSAGE)


async def test_a_subscriber_that_is_too_slow_is_informed_that_something_was_missed(
    tmp_path: Path,
) -> None:
    subscriber = RememberingSubscriber()
    async with SqliteEventBus(tmp_path / "bus.db") as bus, bus.subscribe(["order.*"], subscriber):
        await bus.publish(
            *(replace(MESSAGE, id=str(number)) for number in range(subscription_tables.KEPT + 2))
        )
        await eventually(subscriber.has(str(subscription_tables.KEPT + 1)))

    assert (1, subscription_tables.KEPT) == (subscriber.interruptions, len(subscriber.ids))


async def test_a_subscriber_whose_lease_expired_is_informed_that_something_was_missed(
    tmp_path: Path,
) -> None:
    subscriber = RememberingSubscriber()
    async with (
        SqliteEventBus(tmp_path / "bus.db") as bus,
        SqliteFile(tmp_path / "bus.db", tables.SCHEMA) as file,
    ):
        open_subscription = SqliteSubscription(
            file, bus._watch, ["order.*"], subscriber, lease_seconds=0.2
        )
        async with open_subscription:
            await file.run(partial(subscription_tables.end, owner=open_subscription._owner))
            await bus.publish(MESSAGE)
            await eventually(subscriber.was_interrupted)
            await bus.publish(replace(MESSAGE, id="2"))
            await eventually(subscriber.has("2"))

    assert ["2"] == subscriber.ids


async def test_without_a_subscriber_nothing_is_stored_for_one(tmp_path: Path) -> None:
    async with (
        SqliteEventBus(tmp_path / "bus.db") as bus,
        SqliteFile(tmp_path / "bus.db", tables.SCHEMA) as file,
    ):
        async with bus.subscribe(["order.*"], RememberingSubscriber()):
            pass
        await bus.publish(MESSAGE)

        assert [] == await file.run(partial(subscription_tables.after, seq=0))
