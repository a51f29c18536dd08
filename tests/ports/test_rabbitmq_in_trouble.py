"""RabbitMQ over links that are cut, silent or slow, under alarms and without bindings: nothing is
lost or doubled.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import cast
from uuid import uuid4

import aio_pika
import aiormq
import pytest
from aio_pika.abc import UnderlayConnection

from blocks.adapters import consuming
from blocks.adapters.rabbitmq.event_bus import RabbitMQEventBus
from blocks.adapters.rabbitmq.link import until
from blocks.ports import (
    Accept,
    Consumer,
    Delivery,
    Message,
    Queue,
    Unavailable,
    Unroutable,
    Verdict,
)
from tests.support.inbox import Inbox
from tests.support.servers.foreign_queue import taken_by_another_connection
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.servers.tcp_proxy import BASIC_ACK, TcpProxy
from tests.support.waiting import eventually


@pytest.fixture
def proxy(rabbitmq: RabbitMQNode) -> Iterator[TcpProxy]:
    with TcpProxy(rabbitmq.url) as proxy:
        yield proxy


@pytest.fixture
async def near(rabbitmq: RabbitMQNode) -> AsyncIterator[RabbitMQEventBus]:
    """A bus that speaks to the broker directly."""
    async with RabbitMQEventBus(
        rabbitmq.url, exchange=f"test-{uuid4()}", name="near", timeout_seconds=2.0
    ) as opened:
        yield opened


@pytest.fixture
async def far(proxy: TcpProxy, near: RabbitMQEventBus) -> AsyncIterator[RabbitMQEventBus]:
    """A bus that speaks to the broker through the proxy, and notices a dead link after two or three
    seconds.
    """
    async with RabbitMQEventBus(
        f"{proxy.url}?heartbeat=1", exchange=near._exchange, name="far", timeout_seconds=2.0
    ) as opened:
        yield opened


@pytest.fixture
async def orders(near: RabbitMQEventBus) -> Queue:
    queue = Queue(name=f"queue-{uuid4()}", bindings=("order.*",), retry_delay_seconds=0.2)
    await near.declare(queue)
    return queue


def a_message() -> Message:
    return Message(
        id=str(uuid4()),
        routing_key="order.placed",
        body=b"{}",
        timestamp=datetime(2026, 1, 2, tzinfo=UTC),
    )


async def registered(consumer: Consumer, *, within_seconds: float = 10.0) -> float:
    """After how many seconds the broker knows this consumer."""
    began = time.monotonic()

    async def is_so() -> bool:
        return consumer.is_registered

    await eventually(is_so, within_seconds=within_seconds, every_seconds=0.02)
    return time.monotonic() - began


async def unregistered(consumer: Consumer) -> None:
    async def is_so() -> bool:
        return not consumer.is_registered

    await eventually(is_so, within_seconds=10, every_seconds=0.02)


async def published(
    bus: RabbitMQEventBus, message: Message, *, within_seconds: float = 30.0
) -> int:
    """Published until confirmed, as every publisher does it; how many tries that took."""
    tries = 0

    async def confirmed() -> bool:
        nonlocal tries
        tries += 1
        try:
            await bus.publish(message, required=True)
        except Unavailable:
            return False
        return True

    await eventually(confirmed, within_seconds=within_seconds)
    return tries


# --- the link -------------------------------------------------------------------------------------


async def test_a_publish_whose_confirm_was_lost_is_repeated_under_the_same_id(
    proxy: TcpProxy, near: RabbitMQEventBus, far: RabbitMQEventBus, orders: Queue
) -> None:
    await published(far, warm_up := a_message())
    message = a_message()
    proxy.cut_at(BASIC_ACK)
    assert await published(far, message) >= 2
    assert proxy.traps_sprung == 1
    assert [warm_up.id, message.id, message.id] == [
        waiting.id for waiting in await near.peek(orders.name)
    ]


async def test_over_a_half_open_link_a_publish_times_out_and_is_repeated_under_the_same_id(
    proxy: TcpProxy, near: RabbitMQEventBus, far: RabbitMQEventBus, orders: Queue
) -> None:
    await published(far, a_message())
    message = a_message()
    proxy.blackhole()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await far.publish(message)
    assert time.monotonic() - began < 3
    proxy.pass_all()
    await published(far, message)
    assert message.id in {waiting.id for waiting in await near.peek(orders.name)}


async def test_over_a_half_open_link_a_consumer_is_not_registered_and_is_back_within_ten_seconds(
    proxy: TcpProxy, near: RabbitMQEventBus, far: RabbitMQEventBus, orders: Queue
) -> None:
    inbox = Inbox()
    async with far.consume(orders, inbox) as consumer:
        await registered(consumer)
        proxy.blackhole()
        await unregistered(consumer)
        message = a_message()
        await published(near, message)
        assert [] == inbox.ids
        proxy.pass_all()
        await inbox.holds(1)
    assert {message.id} == set(inbox.ids)


async def test_a_consumer_whose_connection_takes_no_more_acknowledgements_keeps_all_its_slots(
    proxy: TcpProxy, near: RabbitMQEventBus, far: RabbitMQEventBus, orders: Queue
) -> None:
    """A lost connection first stops writing; only later is its channel closed. Acknowledgements in
    between wait.
    """
    in_hand, may_end = 0, asyncio.Event()

    async def handler(_: Delivery) -> Verdict:
        nonlocal in_hand
        in_hand += 1
        await may_end.wait()
        in_hand -= 1
        return Accept()

    async def hands_are_full() -> bool:
        return in_hand == 32

    async with far.consume(orders, handler, concurrency=32) as consumer:
        await registered(consumer)
        await published_many(near, 32)
        await eventually(hands_are_full)
        proxy.blackhole()
        transport = (await far._in.ready()).transport
        assert isinstance(transport, UnderlayConnection)
        cast(aiormq.Connection, transport.connection)._writer_task.cancel()
        may_end.set()
        await unregistered(consumer)
        may_end.clear()
        proxy.pass_all()

        await eventually(hands_are_full, within_seconds=30)
        may_end.set()

        async def is_empty() -> bool:
            return await near.depth(orders.name) == 0

        await eventually(is_empty)


async def published_many(bus: RabbitMQEventBus, count: int) -> None:
    await bus.publish(*(a_message() for _ in range(count)), required=True)


async def test_who_stops_listening_while_the_broker_still_answers_the_beginning_has_stopped_at_once(
    far: RabbitMQEventBus,
) -> None:
    async def ignore(_: bytes) -> None: ...

    async def listen() -> None:
        async with far.listen("topic", ignore):
            await asyncio.sleep(3600)

    for number in range(25):
        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.001 * number)
        listening.cancel()
        done, _ = await asyncio.wait({listening}, timeout=3)
        assert done, f"still listening though it should stop after {number} ms"


async def test_the_wait_for_a_lost_channel_does_not_begin_after_a_dropped_cancellation() -> None:
    async def session() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await until(asyncio.Event())

    task = asyncio.create_task(session())
    await asyncio.sleep(0)
    task.cancel()

    done, _ = await asyncio.wait({task}, timeout=5)

    assert done
    assert task.cancelled()


async def test_a_slow_broker_slows_everything_down_and_breaks_nothing(
    proxy: TcpProxy, near: RabbitMQEventBus, orders: Queue
) -> None:
    at_work = most = 0

    async def work(_: Delivery) -> Verdict:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1
        return Accept()

    async with RabbitMQEventBus(proxy.url, exchange=near._exchange, name="slow") as slow:
        await slow.ping()
        proxy.delay(0.25)
        inbox = Inbox()

        async def both(delivery: Delivery) -> Verdict:
            await work(delivery)
            return await inbox(delivery)

        async with slow.consume(orders, both, concurrency=4):
            messages = [a_message() for _ in range(40)]
            await asyncio.gather(*(slow.publish(message) for message in messages))
            await inbox.holds(40)
        proxy.pass_all()
    assert sorted(message.id for message in messages) == sorted(inbox.ids)
    assert most <= 4
    assert await near.depth(orders.name) == 0


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.long
async def test_after_each_of_twenty_lost_connections_it_consumes_again_within_ten_seconds(
    rabbitmq: RabbitMQNode,
    near: RabbitMQEventBus,
    far: RabbitMQEventBus,
    proxy: TcpProxy,
    orders: Queue,
    times: int,
) -> None:
    inbox, sent = Inbox(), []
    async with far.consume(orders, inbox) as consumer:
        for number in range(times):
            await registered(consumer)
            if number % 2:
                proxy.reset()
            else:
                await asyncio.to_thread(rabbitmq.ctl, "close_all_connections", "test")
            sent.append(a_message())
            await published(near, sent[-1])

            async def came() -> bool:
                return sent[-1].id in inbox.ids

            await eventually(came, within_seconds=10)
    assert {message.id for message in sent} == set(inbox.ids)
    assert await near.depth(orders.name) == 0


async def test_an_outage_is_logged_once_for_each_connection_and_so_is_its_end(
    far: RabbitMQEventBus, proxy: TcpProxy, orders: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    def logged(words: str) -> int:
        return sum(
            record.name == "blocks.adapters.rabbitmq.link" and words in record.getMessage()
            for record in caplog.records
        )

    caplog.set_level("INFO")
    async with far.consume(orders, Inbox()) as consumer:
        await registered(consumer)
        caplog.clear()
        proxy.cut()
        await unregistered(consumer)
        with pytest.raises(
            Unavailable
        ):  # after two seconds, in which each connection has tried more than once
            await far.publish(a_message())
        proxy.pass_all()
        await registered(consumer)

        async def is_logged() -> bool:
            return 2 == logged("connected to")

        await eventually(is_logged, within_seconds=10)
    assert 2 == logged("the connection for")


# --- the broker -----------------------------------------------------------------------------------


@asynccontextmanager
async def disk_alarm(rabbitmq: RabbitMQNode) -> AsyncIterator[None]:
    await asyncio.to_thread(rabbitmq.ctl, "set_disk_free_limit", "99999GB")
    try:
        yield
    finally:
        await asyncio.to_thread(rabbitmq.ctl, "set_disk_free_limit", "50MB")


@pytest.mark.long
async def test_under_a_disk_alarm_nothing_piles_up_and_what_was_refused_is_published_once(
    rabbitmq: RabbitMQNode, near: RabbitMQEventBus, orders: Queue
) -> None:
    async with disk_alarm(rabbitmq):

        async def is_reported() -> bool:
            try:
                await near.ping()
            except Unavailable as error:
                return "short of disk or memory" in str(error)
            return False

        await eventually(is_reported, within_seconds=30)
        messages = [a_message() for _ in range(50)]
        for _ in range(2):
            outcomes = await asyncio.gather(*map(near.publish, messages), return_exceptions=True)
            assert {Unavailable} == {type(outcome) for outcome in outcomes}
    began = time.monotonic()
    for message in messages:
        await published(near, message)
    assert time.monotonic() - began < 60
    await near.ping()
    assert [message.id for message in messages] == [
        waiting.id for waiting in await near.peek(orders.name)
    ]


async def test_a_message_for_which_the_binding_is_gone_is_an_error_until_the_binding_is_back(
    rabbitmq: RabbitMQNode, near: RabbitMQEventBus, orders: Queue
) -> None:
    async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
        queue = await channel.get_queue(orders.name)
        await queue.unbind(near._exchange, "order.*")
    message = a_message()
    for _ in range(2):
        with pytest.raises(Unroutable):
            await near.publish(message, required=True)
    await near.declare(orders)
    await near.publish(message, required=True)
    assert [message.id] == [waiting.id for waiting in await near.peek(orders.name)]


async def test_a_name_taken_by_a_foreign_queue_makes_the_consumer_unready_until_it_is_free(
    rabbitmq: RabbitMQNode, near: RabbitMQEventBus, orders: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    async with near.consume(orders, inbox) as consumer:
        await registered(consumer)
        async with taken_by_another_connection(rabbitmq, orders.name):
            await unregistered(consumer)

            async def is_named() -> bool:
                return f"queue '{orders.name}'" in caplog.text and "RESOURCE_LOCKED" in caplog.text

            await eventually(is_named)
            assert not consumer.is_registered
        assert await registered(consumer) < 10
        message = a_message()
        await published(near, message)
        await inbox.holds(1)
    assert [message.id] == inbox.ids


@pytest.mark.long
async def test_a_handler_stuck_beyond_the_brokers_own_limit_delays_no_other(
    rabbitmq: RabbitMQNode, near: RabbitMQEventBus, orders: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "DRAIN_SECONDS", 0.1)
    settings = (
        "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, "
        "channel_tick_interval, {})."
    )
    await asyncio.to_thread(rabbitmq.ctl, "eval", settings.format(1_000, 200))
    stuck, inbox = a_message(), Inbox()
    tries = 0

    async def work(delivery: Delivery) -> Verdict:
        nonlocal tries
        if delivery.message.id == stuck.id:
            tries += 1
            if tries == 1:
                await asyncio.Event().wait()
        return await inbox(delivery)

    try:
        async with near.consume(orders, work, concurrency=4):
            await published(near, stuck)
            others = [a_message() for _ in range(10)]
            for message in others:
                await published(near, message)
            await inbox.holds(11)
    finally:
        await asyncio.to_thread(rabbitmq.ctl, "eval", settings.format(1_800_000, 60_000))
    assert {message.id for message in [stuck, *others]} == set(inbox.ids)
    assert tries == 2
    assert await near.depth(orders.dead_letters) == 0
