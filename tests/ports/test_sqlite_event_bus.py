"""What only the embedded event bus can show."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from blocks.consuming import DELIVERY_LIMIT
from blocks.ports import Message, Queue, Unavailable
from blocks.sqlite import event_tables as tables
from blocks.sqlite.event_bus import SqliteEventBus
from blocks.sqlite.file import SqliteFile
from tests.support.inbox import Inbox
from tests.support.waiting import eventually

ORDERS = Queue(name="orders", bindings=("order.*",))
MESSAGE = Message(id="1", routing_key="order.placed", body=b"{}", timestamp=datetime(2026, 1, 2, tzinfo=UTC))


async def lose_one_consumer(file: Path) -> None:
    """A consumer takes what is there and vanishes; its lease is over at once."""
    async with SqliteFile(file, tables.SCHEMA) as opened:
        await opened.run(partial(tables.claim, queue=ORDERS.name, owner="lost", limit=10, lease_seconds=0.0))


async def test_a_message_that_takes_its_consumers_down_is_a_dead_letter_in_the_end(tmp_path: Path) -> None:
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

    assert [(1, True)] == [(delivery.attempt, delivery.redelivered) for delivery in inbox.deliveries]


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
