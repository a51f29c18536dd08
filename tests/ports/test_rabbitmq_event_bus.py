"""What only a broker can show: it stops, dies, runs out of disk, loses queues, and others publish
to it.
"""

import asyncio
import logging
import struct
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import aio_pika
import pytest
from msgspec.structs import replace

from blocks.adapters.consuming import DELIVERY_LIMIT
from blocks.adapters.rabbitmq import bunches
from blocks.adapters.rabbitmq.event_bus import RabbitMQEventBus
from blocks.ports import (
    Accept,
    Consumer,
    DeclaredOtherwise,
    Delivery,
    Message,
    Queue,
    Retry,
    Unavailable,
    Unroutable,
    Verdict,
)
from tests.support.inbox import Inbox
from tests.support.servers.ports import free_port
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.subscriber import RememberingSubscriber
from tests.support.waiting import eventually

log = logging.getLogger(__name__)


@pytest.fixture
async def bus(rabbitmq: RabbitMQNode) -> AsyncIterator[RabbitMQEventBus]:
    async with RabbitMQEventBus(
        rabbitmq.url, exchange=f"test-{uuid4()}", name="test", timeout_seconds=2.0
    ) as opened:
        yield opened


@pytest.fixture
async def orders(bus: RabbitMQEventBus) -> Queue:
    queue = Queue(name=f"queue-{uuid4()}", bindings=("order.*",), retry_delay_seconds=0.2)
    await bus.declare(queue)
    return queue


def a_message() -> Message:
    return Message(
        id=str(uuid4()),
        routing_key="order.placed",
        body=b"{}",
        timestamp=datetime(2026, 1, 2, tzinfo=UTC),
    )


async def registration(consumer: Consumer, *, is_there: bool, within_seconds: float = 10.0) -> None:
    async def is_so() -> bool:
        return consumer.is_registered == is_there

    await eventually(is_so, within_seconds=within_seconds, every_seconds=0.02)


async def published(bus: RabbitMQEventBus, *messages: Message) -> None:
    """As every publisher does: the same messages again until they are confirmed."""

    async def confirmed() -> bool:
        try:
            await bus.publish(*messages, required=True)
        except Unavailable:
            return False
        return True

    await eventually(confirmed, within_seconds=30)


# --- the broker goes away -------------------------------------------------------------------------


@pytest.mark.long
async def test_after_a_restart_of_the_broker_the_consumer_is_registered_again_within_ten_seconds(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    inbox = Inbox()
    async with bus.consume(orders, inbox) as consumer:
        await registration(consumer, is_there=True)
        await asyncio.to_thread(rabbitmq.stop_app)
        await registration(consumer, is_there=False)
        await asyncio.to_thread(rabbitmq.start_app)
        await registration(consumer, is_there=True)

        await published(bus, a_message())
        await inbox.holds(1)


@pytest.mark.long
async def test_confirmed_messages_survive_the_brokers_sudden_death(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    """Killed while ten publishers publish as fast as they can."""
    confirmed: set[str] = set()
    enough = 500

    async def publish() -> None:
        while len(confirmed) < enough:
            message = a_message()
            with suppress(Unavailable):
                await bus.publish(message, required=True)
                confirmed.add(message.id)

    async def are_confirmed(count: int) -> bool:
        return len(confirmed) >= count

    await asyncio.to_thread(rabbitmq.settle)
    publishers = [asyncio.create_task(publish()) for _ in range(10)]
    await eventually(lambda: are_confirmed(200), every_seconds=0.01)
    await asyncio.to_thread(rabbitmq.kill)
    enough = len(confirmed) + 100
    await asyncio.to_thread(rabbitmq.start)
    await asyncio.wait_for(asyncio.gather(*publishers), 30)

    inbox = Inbox()
    async with bus.consume(orders, inbox):

        async def all_came() -> bool:
            return confirmed <= set(inbox.ids)

        await eventually(all_came, within_seconds=30)
    assert len(inbox.ids) == len(set(inbox.ids))


@pytest.mark.long
async def test_publishing_without_a_broker_raises_unavailable_within_the_time_limit(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    await asyncio.to_thread(rabbitmq.stop_app)
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await bus.publish(*(a_message() for _ in range(1_000)))
        with pytest.raises(Unavailable):
            await bus.ping()
        await bus.broadcast("news", b"no one receives this, and nothing is raised")
        assert time.monotonic() - began < 5
    finally:
        await asyncio.to_thread(rabbitmq.start_app)
    await published(bus, a_message())


async def test_a_broker_that_never_answers_is_unavailable_and_its_password_stays_secret() -> None:
    async with RabbitMQEventBus(
        f"amqp://user:s3cret@127.0.0.1:{free_port()}/", exchange="any", name="test"
    ) as bus:
        with pytest.raises(Unavailable, match=r"user:\*\*\*@") as raised:
            await bus.publish(a_message())
    assert "s3cret" not in str(raised.value)


async def test_a_wrong_password_is_unavailable_and_stays_secret(rabbitmq: RabbitMQNode) -> None:
    url = rabbitmq.url.replace("guest@", "s3cret@")

    async with RabbitMQEventBus(url, exchange="any", name="test") as bus:
        with pytest.raises(Unavailable, match="ACCESS_REFUSED") as raised:
            await bus.ping()
    assert "s3cret" not in str(raised.value)


async def test_a_handler_finishes_though_its_connection_is_closed_and_the_message_comes_again(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    seen: list[tuple[str, bool]] = []

    async def work(delivery: Delivery) -> Verdict:
        begun.set()
        await go_on.wait()
        seen.append((delivery.message.id, delivery.redelivered))
        return Accept()

    message = a_message()
    await bus.publish(message)
    async with bus.consume(orders, work) as consumer:
        await begun.wait()
        await asyncio.to_thread(rabbitmq.ctl, "close_all_connections", "test")
        await registration(consumer, is_there=False)
        go_on.set()

        async def came_twice() -> bool:
            return len(seen) == 2

        await eventually(came_twice)
    assert [(message.id, False), (message.id, True)] == seen


@pytest.mark.long
async def test_without_disk_space_publishes_fail_and_acknowledgements_get_through(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    await bus.publish(*(a_message() for _ in range(10)))
    await asyncio.to_thread(rabbitmq.ctl, "set_disk_free_limit", "99999GB")
    try:

        async def refuses() -> bool:
            try:
                await bus.publish(a_message())
            except Unavailable:
                return True
            return False

        await eventually(refuses, within_seconds=20)
        with pytest.raises(Unavailable):
            await bus.ping()
        inbox = Inbox()
        async with bus.consume(orders, inbox):
            await inbox.holds(10)
    finally:
        await asyncio.to_thread(rabbitmq.ctl, "set_disk_free_limit", "50MB")

    later = Inbox()
    async with bus.consume(orders, later):
        last = a_message()
        await published(bus, last)

        async def came() -> bool:
            return last.id in later.ids

        await eventually(came)
    assert not set(inbox.ids) & set(later.ids)


# --- queues ---------------------------------------------------------------------------------------


@pytest.mark.long
async def test_a_deleted_queue_is_declared_again_and_consumed(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    async with bus.consume(orders, inbox) as consumer:
        await registration(consumer, is_there=True)
        await asyncio.to_thread(rabbitmq.ctl, "delete_queue", orders.name)
        await eventually(lambda: _logged(caplog, f"queue {orders.name} is gone"))
        await registration(consumer, is_there=True)

        await bus.publish(a_message(), required=True)
        await inbox.holds(1)


async def _logged(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return words in caplog.text


async def test_a_retry_does_not_get_lost_when_its_waiting_room_was_deleted(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    await asyncio.to_thread(rabbitmq.ctl, "delete_queue", f"{orders.name}.retry")
    inbox = Inbox(Retry("not-yet", "try later"), Accept())

    await bus.publish(a_message())
    async with bus.consume(orders, inbox):
        await inbox.holds(2)

    assert inbox.attempts == [1, 2]


async def test_a_queue_that_exists_with_other_settings_is_named(
    bus: RabbitMQEventBus, rabbitmq: RabbitMQNode
) -> None:
    name = f"queue-{uuid4()}"
    async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
        await channel.declare_queue(name, durable=True)

    with pytest.raises(DeclaredOtherwise) as refused:
        await bus.declare(Queue(name=name, bindings=("order.*",)))
    found = refused.value.mismatch
    assert ("queue", name, "x-dead-letter-exchange") == (found.kind, found.name, found.argument)
    assert ("not set", "empty") == (found.existing, found.declared)


async def test_an_inspected_queue_shows_its_consumers_and_how_it_differs(
    bus: RabbitMQEventBus, rabbitmq: RabbitMQNode, orders: Queue
) -> None:
    async with bus.consume(orders, Inbox()) as consumer:
        await registration(consumer, is_there=True)
        assert 1 == (await bus.inspect(orders)).consumers
    classic = Queue(name=f"queue-{uuid4()}", bindings=())
    async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
        await channel.declare_queue(classic.name, durable=True)

    assert None is (await bus.inspect(orders)).mismatch
    assert "x-dead-letter-exchange is not set there" in str((await bus.inspect(classic)).mismatch)


async def test_a_message_that_takes_its_consumers_down_is_a_dead_letter_in_the_end(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    await bus.publish(a_message())
    async with await aio_pika.connect(rabbitmq.url) as connection:
        for _ in range(DELIVERY_LIMIT + 1):
            async with connection.channel() as channel:
                queue = await channel.get_queue(orders.name)
                await eventually(lambda queue=queue: queue.get(fail=False))  # type: ignore[misc]

    [letter] = await eventually(lambda: bus.peek(orders.dead_letters))
    assert (letter.routing_key, letter.headers["x-reject-code"]) == ("order.placed", "poison")
    assert letter.headers["x-original-routing-key"] == "order.placed"


# --- other publishers -----------------------------------------------------------------------------


async def test_a_message_is_published_with_the_properties_the_platform_knows(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    message = a_message()
    await bus.publish(message)

    async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
        queue = await channel.get_queue(orders.name)
        amqp = await queue.get()
    assert amqp is not None
    assert (amqp.message_id, amqp.type, amqp.app_id) == (
        message.id,
        "order.placed",
        "workflow-orchestrator",
    )
    assert (amqp.content_type, amqp.delivery_mode) == (
        "application/json",
        aio_pika.DeliveryMode.PERSISTENT,
    )
    assert amqp.timestamp == message.timestamp


async def test_what_is_published_together_comes_whole_and_in_order(
    bus: RabbitMQEventBus, orders: Queue
) -> None:
    """More than one write takes, and one message of more than one frame."""
    large = replace(a_message(), body=b"x" * 200_000)
    sent = [*(a_message() for _ in range(300)), large, a_message()]
    inbox = Inbox()

    await bus.publish(*sent)
    async with bus.consume(orders, inbox, concurrency=1):
        await inbox.holds(len(sent))

    assert [(message.id, message.body) for message in sent] == [
        (delivery.message.id, delivery.message.body) for delivery in inbox.deliveries
    ]


async def test_of_what_is_published_together_the_rest_is_there_when_one_reaches_no_queue(
    bus: RabbitMQEventBus, orders: Queue
) -> None:
    stray = replace(a_message(), routing_key="no.queue.has.this")
    first, last = a_message(), a_message()

    with pytest.raises(Unroutable, match=r"no\.queue\.has\.this"):
        await bus.publish(first, stray, last, required=True)
    await bus.publish(again := a_message(), required=True)

    assert [first.id, last.id, again.id] == [message.id for message in await bus.peek(orders.name)]


async def test_what_comes_back_fails_all_that_sent_a_message_of_its_id(
    bus: RabbitMQEventBus,
) -> None:
    message = replace(a_message(), routing_key="no.queue.has.this")

    results = await asyncio.gather(
        *(bus.publish(message, required=True) for _ in range(3)), return_exceptions=True
    )

    assert [Unroutable] * 3 == [type(result) for result in results]


async def test_a_message_without_any_property_is_delivered(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
        bare = aio_pika.Message(
            b"\xff\x00", headers={"count": 3, "raw": bytearray(b"\xff"), "nested": {"a": [1]}}
        )
        await channel.default_exchange.publish(bare, orders.name)
    inbox = Inbox()

    async with bus.consume(orders, inbox):
        await inbox.holds(1)

    [delivery] = inbox.deliveries
    assert (delivery.attempt, delivery.message.body) == (1, b"\xff\x00")
    assert delivery.message.headers == {"count": "3", "raw": "\ufffd", "nested": "{'a': [1]}"}


async def test_a_message_whose_timestamp_cannot_be_read_is_delivered_and_others_after_it(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In microseconds, as some publishers count: the client library cannot read it, and would drop
    the connection.
    """
    odd, good = a_message(), a_message()
    microseconds = struct.pack(">Q", 1_700_000_000_000_000)
    with monkeypatch.context() as patched:
        patched.setattr(bunches, "_seconds", lambda _: microseconds)
        await bus.publish(odd)
    await bus.publish(good)
    inbox = Inbox()

    async with bus.consume(orders, inbox) as consumer:
        await inbox.holds(2)
        # messages may come before the broker says that it consumes
        await registration(consumer, is_there=True)

    assert [(odd.id, odd.body), (good.id, good.body)] == [
        (delivery.message.id, delivery.message.body) for delivery in inbox.deliveries
    ]


async def test_a_message_that_lost_nineteen_consumers_is_handled_as_its_first_attempt(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus, orders: Queue
) -> None:
    await bus.publish(a_message())
    async with await aio_pika.connect(rabbitmq.url) as connection:
        for _ in range(DELIVERY_LIMIT - 1):
            async with connection.channel() as channel:
                queue = await channel.get_queue(orders.name)
                await eventually(lambda queue=queue: queue.get(fail=False))  # type: ignore[misc]
    inbox = Inbox()

    async with bus.consume(orders, inbox):
        await inbox.holds(1)

    assert ([1], 0) == (inbox.attempts, await bus.depth(orders.dead_letters))


@pytest.mark.slow
async def test_poison_is_a_dead_letter_within_a_minute_and_good_messages_keep_most_of_their_rate(
    bus: RabbitMQEventBus,
) -> None:
    """At the delay between attempts that the product has; one message in a hundred is poison. The
    best of three each, taken in turns: a busy machine is not what this is about.
    """
    queue = Queue(name=f"queue-{uuid4()}", bindings=("order.*",))
    await bus.declare(queue)
    alone, beside_poison = [], []
    began = time.monotonic()
    for _ in range(3):
        alone.append(await _rate(bus, queue, good=4_000, poison=0))
        beside_poison.append(await _rate(bus, queue, good=4_000, poison=40))

    async with bus.consume(queue, _choke_on_poison):
        await eventually(lambda: _has_dead_letters(bus, queue, 120), within_seconds=60)
    settled_seconds = time.monotonic() - began

    figures = (
        f"{max(alone):,.0f}/s alone, {max(beside_poison):,.0f}/s beside poison, settled in "
        f"{settled_seconds:.0f} s"
    )
    log.info(figures)
    assert max(beside_poison) >= 0.8 * max(alone), figures
    assert {("poison", "5")} == {
        (letter.headers["x-reject-code"], letter.headers["x-reject-attempts"])
        for letter in await bus.peek(queue.dead_letters)
    }


async def _rate(bus: RabbitMQEventBus, queue: Queue, *, good: int, poison: int) -> float:
    """Good messages a second, from the first to the last of them, with poison spread evenly among
    them.
    """
    done = asyncio.Event()
    handled = 0

    async def handle(delivery: Delivery) -> Verdict:
        nonlocal handled
        await _choke_on_poison(delivery)
        handled += 1
        if handled == good:
            done.set()
        return Accept()

    every = good // poison if poison else good + 1
    messages = [message for number in range(good) for message in _some(number, every)]
    await bus.publish(*messages)
    began = time.monotonic()
    async with bus.consume(queue, handle):
        await asyncio.wait_for(done.wait(), timeout=60)
        return good / (time.monotonic() - began)


def _some(number: int, every: int) -> list[Message]:
    return (
        [a_message(), replace(a_message(), body=b"poison")]
        if number % every == every - 1
        else [a_message()]
    )


async def _choke_on_poison(delivery: Delivery) -> Verdict:
    if delivery.message.body == b"poison":
        raise ValueError("poison")
    return Accept()


async def _has_dead_letters(bus: RabbitMQEventBus, queue: Queue, count: int) -> bool:
    return await bus.depth(queue.dead_letters) >= count


async def test_a_subscriber_is_informed_after_a_loss_that_something_was_missed_and_receives_again(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus
) -> None:
    subscriber = RememberingSubscriber()
    async with bus.subscribe(["order.*"], subscriber):
        await published_once(bus, before := a_message())
        await asyncio.to_thread(rabbitmq.ctl, "close_all_connections", "test")
        await eventually(subscriber.was_interrupted)
        await published_once(bus, after := a_message())
        await eventually(subscriber.has(after.id))

    assert (1, [before.id, after.id]) == (subscriber.interruptions, subscriber.ids)


@pytest.mark.long
async def test_a_subscriber_leaves_nothing_on_the_broker(
    rabbitmq: RabbitMQNode, bus: RabbitMQEventBus
) -> None:
    before = (await asyncio.to_thread(rabbitmq.ctl, "list_queues", "name")).split()

    async with bus.subscribe(["order.*"], RememberingSubscriber()):
        pass

    after = (await asyncio.to_thread(rabbitmq.ctl, "list_queues", "name")).split()
    assert set() == {*after} - {*before}  # queues of other tests may expire meanwhile


async def published_once(bus: RabbitMQEventBus, message: Message) -> None:
    """As `published`, of something that no queue needs to be there for."""

    async def confirmed() -> bool:
        try:
            await bus.publish(message)
        except Unavailable:
            return False
        return True

    await eventually(confirmed)
