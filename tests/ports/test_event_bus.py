"""What an event bus promises, shown on both adapters. What only one of them can show has a file of
its own.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from blocks.adapters.consuming import BEGINNING_BYTES
from blocks.adapters.rabbitmq.event_bus import RabbitMQEventBus
from blocks.adapters.sqlite.event_bus import SqliteEventBus
from blocks.contracts import rejections
from blocks.ports import (
    MESSAGE_BYTES_MAX,
    Accept,
    Delivery,
    EventBus,
    Message,
    NotFound,
    Queue,
    Reject,
    Retry,
    SignalHandler,
    TooLarge,
    Unavailable,
    Unroutable,
    Verdict,
)
from tests.support.inbox import Inbox
from tests.support.subscriber import RememberingSubscriber
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Place:
    """Where buses meet: a file or an exchange, and a way for one more process (or its stand-in) to
    come there.
    """

    url: str
    exchange: str
    open: Callable[[], AbstractAsyncContextManager[EventBus]]


@pytest.fixture(params=["sqlite", "rabbitmq"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    exchange = f"test-{uuid4()}"
    if request.param == "sqlite":
        file = tmp_path / "bus.db"
        return Place(f"sqlite:{file}", exchange, lambda: SqliteEventBus(file, lease_seconds=1.0))
    url: str = request.getfixturevalue("rabbitmq").url
    return Place(url, exchange, lambda: RabbitMQEventBus(url, exchange=exchange, name="test"))


@pytest.fixture
async def bus(place: Place) -> AsyncIterator[EventBus]:
    async with place.open() as opened:
        yield opened


@pytest.fixture
async def orders(bus: EventBus) -> Queue:
    """A declared queue for everything about orders, that gives up after three attempts."""
    queue = a_queue("order.#")
    await bus.declare(queue)
    return queue


def a_queue(*bindings: str) -> Queue:
    return Queue(
        name=f"queue-{uuid4()}", bindings=bindings, max_attempts=3, retry_delay_seconds=0.2
    )


def a_message(routing_key: str = "order.placed", body: bytes = b'{"order": 1}') -> Message:
    """AMQP counts whole seconds, so this is published on one."""
    published = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    headers = {"tenantId": "a-tenant"}
    return Message(
        id=str(uuid4()), routing_key=routing_key, body=body, timestamp=published, headers=headers
    )


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await eventually(holds, every_seconds=0.01)


async def depth_becomes(bus: EventBus, queue: str, depth: int) -> None:
    async def is_so() -> bool:
        return await bus.depth(queue) == depth

    await eventually(is_so)


# --- routing --------------------------------------------------------------------------------------


async def test_a_queue_receives_what_its_patterns_match(bus: EventBus) -> None:
    one_word, any_words, exact = (
        a_queue("order.*"),
        a_queue("order.#"),
        a_queue("order.placed", "order.item.added"),
    )
    await bus.declare(one_word, any_words, exact)

    await bus.publish(
        *(a_message(key) for key in ("order", "order.placed", "order.item.added", "bill.sent"))
    )

    await depth_becomes(bus, any_words.name, 3)
    await depth_becomes(bus, one_word.name, 1)
    await depth_becomes(bus, exact.name, 2)


async def test_a_queue_can_be_inspected_without_changing_anything(
    bus: EventBus, orders: Queue
) -> None:
    await bus.publish(a_message())
    await depth_becomes(bus, orders.name, 1)

    assert [1, 1] == [(await bus.inspect(orders)).ready for _ in range(2)]
    with pytest.raises(NotFound):
        await bus.inspect(nowhere := a_queue("order.#"))
    with pytest.raises(NotFound):
        await bus.depth(nowhere.name)
    assert any(digit.isdigit() for digit in await bus.describe())


async def test_two_matching_patterns_of_one_queue_bring_a_message_once(bus: EventBus) -> None:
    queue = a_queue("order.*", "#")
    await bus.declare(queue)

    await bus.publish(a_message())

    await depth_becomes(bus, queue.name, 1)


async def test_a_message_arrives_as_it_was_published(bus: EventBus, orders: Queue) -> None:
    message = a_message(body="Zoë 商談 🦀".encode())
    inbox = Inbox()

    await bus.publish(message)

    async with bus.consume(orders, inbox):
        await inbox.holds(1)
    assert [Delivery(message=message, queue=orders.name)] == inbox.deliveries


async def test_declaring_twice_changes_nothing(bus: EventBus, orders: Queue) -> None:
    await bus.publish(a_message())

    await bus.declare(orders)

    await depth_becomes(bus, orders.name, 1)


async def test_a_message_without_a_queue_is_dropped(bus: EventBus, orders: Queue) -> None:
    await bus.publish(a_message("bill.sent"))

    assert await bus.depth(orders.name) == 0


async def test_a_required_message_without_a_queue_raises_unroutable(
    bus: EventBus, orders: Queue
) -> None:
    with pytest.raises(Unroutable, match=r"bill\.sent"):
        await bus.publish(a_message("bill.sent"), required=True)


async def test_a_required_message_with_a_queue_arrives(bus: EventBus, orders: Queue) -> None:
    await bus.publish(a_message(), required=True)

    await depth_becomes(bus, orders.name, 1)


async def test_many_messages_are_published_at_once_and_all_arrive(
    bus: EventBus, orders: Queue
) -> None:
    messages = [a_message() for _ in range(1_000)]
    inbox = Inbox()

    await bus.publish(*messages)

    async with bus.consume(orders, inbox):
        await inbox.holds(1_000)
    assert {message.id for message in messages} == set(inbox.ids)


async def test_messages_are_still_there_after_closing_and_opening_again(place: Place) -> None:
    queue = a_queue("order.*")
    async with place.open() as bus:
        await bus.declare(queue)
        await bus.publish(a_message())

    async with place.open() as bus_opened_later:
        await depth_becomes(bus_opened_later, queue.name, 1)


# --- consuming ------------------------------------------------------------------------------------


async def test_one_consumer_of_one_slot_receives_messages_in_their_order(
    bus: EventBus, orders: Queue
) -> None:
    messages = [a_message() for _ in range(50)]
    await bus.publish(*messages)
    inbox = Inbox()

    async with bus.consume(orders, inbox, concurrency=1):
        await inbox.holds(50)

    assert [message.id for message in messages] == inbox.ids


async def test_competing_consumers_get_each_message_once(
    place: Place, bus: EventBus, orders: Queue
) -> None:
    messages = [a_message() for _ in range(300)]
    mine, theirs = Inbox(), Inbox()

    async with (
        place.open() as other_bus,
        bus.consume(orders, mine),
        other_bus.consume(orders, theirs),
    ):
        await bus.publish(*messages)
        await until(lambda: len(mine.ids) + len(theirs.ids) >= 300)

    assert sorted(message.id for message in messages) == sorted(mine.ids + theirs.ids)


async def test_no_more_handlers_run_at_once_than_asked_for(bus: EventBus, orders: Queue) -> None:
    running = most = done = 0

    async def work(_: Delivery) -> Verdict:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        done += 1
        return Accept()

    await bus.publish(*(a_message() for _ in range(40)))
    async with bus.consume(orders, work, concurrency=4):
        await until(lambda: done == 40)

    assert most == 4


async def test_a_message_comes_again_when_its_consumers_process_is_killed(
    place: Place, bus: EventBus, orders: Queue
) -> None:
    message = a_message()
    await bus.publish(message)
    command = (
        sys.executable,
        "-m",
        "tests.support.servers.stuck_consumer",
        place.url,
        place.exchange,
        orders.name,
    )
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    assert await asyncio.wait_for(process.stdout.readline(), timeout=20) == b"taken\n"
    inbox = Inbox()

    async with bus.consume(orders, inbox):
        process.kill()
        await process.wait()
        await inbox.holds(1)

    assert [Delivery(message=message, queue=orders.name, redelivered=True)] == inbox.deliveries


async def test_a_handler_may_take_longer_than_a_lease(
    place: Place, bus: EventBus, orders: Queue
) -> None:
    """The embedded bus leases a message for one second here; a broker has no such limit below
    minutes.
    """
    handled = 0

    async def work_slowly(_: Delivery) -> Verdict:
        nonlocal handled
        handled += 1
        await asyncio.sleep(2.5)
        return Accept()

    await bus.publish(a_message())
    async with (
        place.open() as other,
        other.consume(orders, work_slowly),
        bus.consume(orders, work_slowly),
    ):
        await until(lambda: handled > 0)

    assert (handled, await bus.depth(orders.name)) == (1, 0)


async def test_leaving_lets_the_handlers_at_work_finish(bus: EventBus, orders: Queue) -> None:
    begun = asyncio.Event()

    async def work(_: Delivery) -> Verdict:
        begun.set()
        await asyncio.sleep(0.3)
        return Accept()

    await bus.publish(a_message())
    async with bus.consume(orders, work):
        await begun.wait()

    assert await bus.depth(orders.name) == 0


async def test_leaving_gives_back_what_was_not_begun(bus: EventBus, orders: Queue) -> None:
    begun = asyncio.Event()

    async def work(_: Delivery) -> Verdict:
        begun.set()
        await asyncio.sleep(0.3)
        return Accept()

    await bus.publish(*(a_message() for _ in range(5)))
    async with bus.consume(orders, work, concurrency=1):
        await begun.wait()

    await depth_becomes(bus, orders.name, 4)


async def test_a_consumer_is_registered_only_while_its_context_lasts(
    bus: EventBus, orders: Queue
) -> None:
    async with bus.consume(orders, Inbox()) as consumer:
        await until(lambda: consumer.is_registered)

    assert not consumer.is_registered


# --- consuming together ---------------------------------------------------------------------------


class Bunches:
    """A handler of bunches that remembers them; it gives its verdict on the first delivery of a
    message by its routing key, and accepts what comes again.
    """

    def __init__(self, **verdicts: Verdict | Exception) -> None:
        self._verdicts = verdicts
        self.bunches: list[list[str]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def __call__(self, deliveries: Sequence[Delivery]) -> Sequence[Verdict | Exception]:
        self.bunches.append([delivery.message.id for delivery in deliveries])
        await self.may_go_on.wait()
        return [
            self._verdicts.pop(delivery.message.routing_key.removeprefix("order."), Accept())
            for delivery in deliveries
        ]

    @property
    def ids(self) -> list[str]:
        return [id for bunch in self.bunches for id in bunch]


async def test_what_came_while_the_handler_was_busy_is_handed_over_together(
    bus: EventBus, orders: Queue
) -> None:
    first, *others = [a_message() for _ in range(41)]
    handler = Bunches()
    handler.may_go_on.clear()
    await bus.publish(first)
    async with bus.consume_together(orders, handler):
        await until(lambda: handler.bunches == [[first.id]])
        await bus.publish(*others)
        await until(lambda: 1 < len(handler.bunches))
        assert len(handler.ids) <= 32
        handler.may_go_on.set()
        await until(lambda: len(handler.ids) == 41)
        await depth_becomes(bus, orders.name, 0)

    assert {message.id for message in (first, *others)} == set(handler.ids)
    assert len(handler.bunches) <= 10


async def test_each_of_a_bunch_has_its_own_verdict(bus: EventBus, orders: Queue) -> None:
    kinds = ("fine", "wrong", "early", "away", "broken")
    messages = {kind: a_message(f"order.{kind}") for kind in kinds}
    handler = Bunches(
        wrong=Reject("wrong", "a test"),
        early=Retry("early", "a test"),
        away=Unavailable("a test"),
        broken=RuntimeError("a test"),
    )
    await bus.publish(*messages.values())
    async with bus.consume_together(orders, handler):
        await until(lambda: len(handler.ids) == 8)
        await depth_becomes(bus, orders.name, 0)

    again = {messages[kind].id for kind in ("early", "away", "broken")}
    assert again == {id for id in handler.ids if handler.ids.count(id) == 2}
    [letter] = await bus.peek(orders.dead_letters)
    assert (messages["wrong"].id, "wrong") == (letter.id, letter.headers["x-reject-code"])


async def test_a_bunch_that_raises_is_judged_one_by_one(bus: EventBus, orders: Queue) -> None:
    poison, *good = [a_message() for _ in range(10)]
    accepted = []

    async def handler(deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        ids = [delivery.message.id for delivery in deliveries]
        if poison.id in ids:
            raise RuntimeError("a test")
        accepted.extend(ids)
        return [Accept()] * len(ids)

    await bus.publish(*good[:5], poison, *good[5:])
    async with bus.consume_together(orders, handler):
        await depth_becomes(bus, orders.dead_letters, 1)
        await depth_becomes(bus, orders.name, 0)

    assert sorted(message.id for message in good) == sorted(accepted)
    [letter] = await bus.peek(orders.dead_letters)
    assert poison.id == letter.id


async def test_a_slow_bunch_holds_up_the_acknowledgement_of_no_later_one(
    bus: EventBus, orders: Queue
) -> None:
    slow, others = a_message("order.slow"), [a_message() for _ in range(40)]
    is_in_hand, may_end, accepted = asyncio.Event(), asyncio.Event(), list[str]()

    async def handler(deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        ids = [delivery.message.id for delivery in deliveries]
        if slow.id in ids:
            is_in_hand.set()
            await may_end.wait()
        accepted.extend(ids)
        return [Accept()] * len(ids)

    await bus.publish(slow)
    async with bus.consume_together(orders, handler, concurrency=4):
        await is_in_hand.wait()
        await bus.publish(*others)
        # far more than a consumer of four slots is given before it acknowledges any
        await until(lambda: len(accepted) == 40)
        may_end.set()
        await until(lambda: len(accepted) == 41)

    assert sorted([slow.id, *(message.id for message in others)]) == sorted(accepted)


# --- verdicts -------------------------------------------------------------------------------------


async def test_an_accepted_message_is_gone(bus: EventBus, orders: Queue) -> None:
    inbox = Inbox(Accept())

    await bus.publish(a_message())
    async with bus.consume(orders, inbox):
        await inbox.holds(1)

    assert (await bus.depth(orders.name), await bus.depth(orders.dead_letters)) == (0, 0)


async def test_a_rejected_message_is_a_dead_letter_that_says_why(
    bus: EventBus, orders: Queue
) -> None:
    message = a_message(body=b"not even JSON")
    before = datetime.now(UTC)

    await bus.publish(message)
    async with bus.consume(orders, Inbox(Reject("malformed-json", "x" * 1_000))):
        await depth_becomes(bus, orders.dead_letters, 1)

    [letter] = await bus.peek(orders.dead_letters)
    assert before <= datetime.fromisoformat(letter.headers["x-rejected-at"]) <= datetime.now(UTC)
    added = {
        "x-reject-code": "malformed-json",
        "x-reject-reason": "x" * 500,
        "x-reject-attempts": "1",
        "x-original-routing-key": "order.placed",
        "x-rejected-at": letter.headers["x-rejected-at"],
    }
    assert letter == replace(message, headers={**message.headers, **added})
    assert await bus.depth(orders.name) == 0


async def test_a_retried_message_comes_again_after_the_delay_unchanged(
    bus: EventBus, orders: Queue
) -> None:
    message = a_message()
    inbox = Inbox(Retry("not-yet", "try later"), Accept())

    await bus.publish(message)
    async with bus.consume(orders, inbox):
        await inbox.holds(1)
        first = asyncio.get_running_loop().time()
        await inbox.holds(2)
        waited = asyncio.get_running_loop().time() - first

    assert [
        Delivery(message=message, queue=orders.name, attempt=n) for n in (1, 2)
    ] == inbox.deliveries
    assert waited >= 0.19


async def test_a_retry_that_names_its_delay_comes_after_it_and_not_behind_a_longer_one(
    bus: EventBus,
) -> None:
    queue = Queue(name=f"queue-{uuid4()}", bindings=["order.#"], has_long_delays=True)
    await bus.declare(queue)
    hours, seconds, came = a_message(), a_message(), []

    async def judge(delivery: Delivery) -> Verdict:
        came.append((delivery.message.id, delivery.attempt, asyncio.get_running_loop().time()))
        if delivery.attempt == 2:
            return Accept()
        return Retry("not-yet", "later", 2 * 3600.0 if delivery.message.id == hours.id else 1.3)

    async with bus.consume(queue, judge):
        await bus.publish(hours)
        await until(lambda: len(came) == 1)
        await bus.publish(seconds)
        await until(lambda: len(came) == 3)

    _, (_, first, asked_at), (id, second, came_at) = came
    assert (seconds.id, 1, 2) == (id, first, second)
    assert came_at - asked_at >= 1.25
    assert 0 == await bus.depth(queue.name)
    assert 0 == await bus.depth(queue.dead_letters)


async def test_a_retry_that_does_not_count_comes_back_as_the_same_attempt_as_often_as_it_takes(
    bus: EventBus, orders: Queue
) -> None:
    message = a_message()
    inbox = Inbox(*[Retry("not-yet", "busy", 0.05, counts=False)] * 5, Accept())

    await bus.publish(message)
    async with bus.consume(orders, inbox):
        await inbox.holds(6)

    assert [Delivery(message=message, queue=orders.name)] * 6 == inbox.deliveries
    assert 0 == await bus.depth(orders.dead_letters)


async def test_a_message_retried_too_often_is_a_dead_letter_with_the_code_of_the_retry(
    bus: EventBus, orders: Queue
) -> None:
    inbox = Inbox(Retry("not-yet", "try later"))

    await bus.publish(a_message())
    async with bus.consume(orders, inbox):
        await depth_becomes(bus, orders.dead_letters, 1)

    assert inbox.attempts == [1, 2, 3]
    [letter] = await bus.peek(orders.dead_letters)
    assert (letter.headers["x-reject-code"], letter.headers["x-reject-reason"]) == (
        "not-yet",
        "try later",
    )
    assert letter.headers["x-original-routing-key"] == letter.routing_key == "order.placed"


async def test_an_unexpected_exception_is_retried_and_then_poison(
    bus: EventBus, orders: Queue
) -> None:
    inbox = Inbox(ValueError("boom"))

    await bus.publish(a_message())
    async with bus.consume(orders, inbox):
        await depth_becomes(bus, orders.dead_letters, 1)

    assert inbox.attempts == [1, 2, 3]
    [letter] = await bus.peek(orders.dead_letters)
    assert (letter.headers["x-reject-code"], letter.headers["x-reject-reason"]) == (
        rejections.POISON,
        "ValueError: boom",
    )


async def test_a_message_whose_record_would_be_too_large_is_a_dead_letter_at_once(
    bus: EventBus, orders: Queue
) -> None:
    inbox = Inbox(TooLarge("a record may have 2,000,000 bytes, this one has 2,000,001"))

    await bus.publish(a_message())
    async with bus.consume(orders, inbox):
        await depth_becomes(bus, orders.dead_letters, 1)

    assert inbox.attempts == [1]
    [letter] = await bus.peek(orders.dead_letters)
    assert (letter.headers["x-reject-code"], letter.headers["x-reject-reason"]) == (
        rejections.RECORD_TOO_LARGE,
        "a record may have 2,000,000 bytes, this one has 2,000,001",
    )


async def test_unavailable_hands_the_message_back_uncounted_after_a_pause(
    bus: EventBus, orders: Queue
) -> None:
    message = a_message()
    inbox = Inbox(Unavailable("the store is away"), Accept())

    await bus.publish(message)
    async with bus.consume(orders, inbox):
        await inbox.holds(1)
        first = asyncio.get_running_loop().time()
        await inbox.holds(2)
        waited = asyncio.get_running_loop().time() - first

    assert inbox.attempts == [1, 1]
    assert inbox.ids == [message.id, message.id]
    assert waited >= 0.9


async def test_without_what_handlers_need_a_consumer_holds_nothing_and_tries_one_message_at_a_time(
    bus: EventBus, orders: Queue
) -> None:
    messages = [a_message() for _ in range(40)]
    is_away, calls, passed = True, 0, Inbox()

    async def work(delivery: Delivery) -> Verdict:
        nonlocal calls
        calls += 1
        if is_away:
            raise Unavailable("the store is away")
        return await passed(delivery)

    await bus.publish(*messages)
    async with bus.consume(orders, work, concurrency=8) as consumer:
        await until(lambda: calls >= 1)
        await depth_becomes(bus, orders.name, 40)
        failed_together = calls
        await until(lambda: calls == failed_together + 1)
        await depth_becomes(bus, orders.name, 40)
        assert calls <= 8 + 1
        is_away = False
        await passed.holds(40)
        await until(lambda: consumer.is_registered)
    assert sorted(message.id for message in messages) == sorted(passed.ids)
    assert {1} == set(passed.attempts)
    assert await bus.depth(orders.dead_letters) == 0


async def test_good_messages_pass_while_a_poisonous_one_is_retried(
    bus: EventBus, orders: Queue
) -> None:
    poison, good = a_message(), [a_message() for _ in range(20)]
    passed: list[str] = []

    async def choke_on_poison(delivery: Delivery) -> Verdict:
        if delivery.message.id == poison.id:
            raise ValueError("boom")
        passed.append(delivery.message.id)
        return Accept()

    await bus.publish(poison, *good)
    async with bus.consume(orders, choke_on_poison, concurrency=1):
        await until(lambda: len(passed) == 20)
        assert await bus.depth(orders.dead_letters) == 0
        await depth_becomes(bus, orders.dead_letters, 1)


async def test_dead_letters_can_be_consumed_and_published_again(
    bus: EventBus, orders: Queue
) -> None:
    message = a_message()
    await bus.publish(message)
    async with bus.consume(orders, Inbox(Reject("too-early", "not yet known"))):
        await depth_becomes(bus, orders.dead_letters, 1)

    async def publish_again(delivery: Delivery) -> Verdict:
        await bus.publish(delivery.message, required=True)
        return Accept()

    async with bus.consume(Queue(name=orders.dead_letters, bindings=()), publish_again):
        await depth_becomes(bus, orders.name, 1)

    [again] = await bus.peek(orders.name)
    assert (again.id, again.routing_key, again.body) == (
        message.id,
        message.routing_key,
        message.body,
    )


# --- large messages -------------------------------------------------------------------------------


async def test_a_message_that_is_too_large_is_a_dead_letter_that_no_handler_saw(
    bus: EventBus, orders: Queue
) -> None:
    inbox, narrow = Inbox(), replace(orders, max_bytes=100_000)
    small, large = a_message(), a_message(body=b"x" * 300_000)

    async with bus.consume(narrow, inbox):
        await bus.publish(large, small)
        await depth_becomes(bus, orders.dead_letters, 1)
        await inbox.holds(1)

    assert [small.id] == inbox.ids
    [letter] = await bus.peek(orders.dead_letters)
    assert (large.id, "too-large", "order.placed") == (
        letter.id,
        letter.headers["x-reject-code"],
        letter.headers["x-original-routing-key"],
    )
    assert "300,000 bytes" in letter.headers["x-reject-reason"]
    assert letter.headers["tenantId"] == "a-tenant"


async def test_of_a_large_message_only_the_beginning_is_handed_over(
    bus: EventBus, orders: Queue
) -> None:
    large = a_message(body=b"begins" + b"x" * 10_000_000)
    await bus.publish(large)
    letters: list[Message] = []

    async def collect(letter: Message) -> None:
        letters.append(letter)

    async with bus.consume(orders, Inbox()), bus.collect(orders, collect):
        await until(lambda: bool(letters))

    assert (len(large.body), large.body[:BEGINNING_BYTES]) == (letters[0].cut_from, letters[0].body)
    await depth_becomes(bus, orders.dead_letters, 0)


async def test_a_message_just_as_large_as_allowed_arrives_whole(
    bus: EventBus, orders: Queue
) -> None:
    message, inbox = a_message(body=b"x" * MESSAGE_BYTES_MAX), Inbox()

    await bus.publish(message)
    async with bus.consume(orders, inbox):
        await inbox.holds(1)

    assert message == inbox.deliveries[0].message


# --- collecting dead letters ----------------------------------------------------------------------


async def test_a_collected_letter_leaves_the_bus(bus: EventBus, orders: Queue) -> None:
    message = a_message()
    letters: list[Message] = []

    async def collect(letter: Message) -> None:
        letters.append(letter)

    await bus.publish(message)
    async with (
        bus.consume(orders, Inbox(Reject("no-such-order", "gone"))),
        bus.collect(orders, collect),
    ):
        await until(lambda: bool(letters))

    assert [(message.id, message.body, "no-such-order", "order.placed")] == [
        (
            letter.id,
            letter.body,
            letter.headers["x-reject-code"],
            letter.headers["x-original-routing-key"],
        )
        for letter in letters
    ]
    await depth_becomes(bus, orders.dead_letters, 0)


@pytest.mark.parametrize(
    "error", [Unavailable("the store is away"), ValueError("boom")], ids=lambda error: str(error)
)
async def test_a_letter_that_could_not_be_collected_comes_again(
    bus: EventBus, orders: Queue, error: Exception
) -> None:
    message = a_message()
    seen: list[str] = []

    async def stumble_once(letter: Message) -> None:
        seen.append(letter.id)
        if len(seen) == 1:
            raise error

    await bus.publish(message)
    async with (
        bus.consume(orders, Inbox(Reject("no-such-order", "gone"))),
        bus.collect(orders, stumble_once),
    ):
        await until(lambda: len(seen) == 2)

    assert [message.id, message.id] == seen
    await depth_becomes(bus, orders.dead_letters, 0)


async def test_a_message_is_delivered_to_one_queue_alone_under_its_own_routing_key(
    bus: EventBus, orders: Queue
) -> None:
    another = a_queue("order.#")
    await bus.declare(another)
    message, inbox = a_message(), Inbox()

    await bus.deliver(orders.name, message)

    async with bus.consume(orders, inbox):
        await inbox.holds(1)
    assert [Delivery(message=message, queue=orders.name)] == inbox.deliveries
    assert await bus.depth(another.name) == 0


async def test_a_message_for_an_undeclared_queue_is_unroutable(bus: EventBus) -> None:
    with pytest.raises(Unroutable, match="no-such-queue"):
        await bus.deliver("no-such-queue", a_message())


# --- signals --------------------------------------------------------------------------------------


async def test_every_listener_of_a_topic_receives_a_broadcast(place: Place, bus: EventBus) -> None:
    received: list[tuple[str, bytes]] = []

    def ear(name: str) -> SignalHandler:
        async def receive(body: bytes) -> None:
            received.append((name, body))

        return receive

    async with (
        place.open() as other,
        bus.listen("news", ear("one")),
        other.listen("news", ear("two")),
    ):
        await bus.broadcast("gossip", b"ignored")
        await bus.broadcast("news", b"hello")
        await until(lambda: len(received) == 2)

    assert sorted(received) == [("one", b"hello"), ("two", b"hello")]


async def test_one_listener_of_each_group_receives_a_broadcast(place: Place, bus: EventBus) -> None:
    received: list[tuple[str, bytes]] = []

    def of(group: str) -> SignalHandler:
        async def handle(body: bytes) -> None:
            received.append((group, body))

        return handle

    bodies = [str(number).encode() for number in range(20)]
    async with (
        place.open() as other,
        bus.listen("topic", of("a"), group="a"),
        other.listen("topic", of("a"), group="a"),
        other.listen("topic", of("b"), group="b"),
        other.listen("topic", of("all")),
        bus.listen("another topic", of("a"), group="a"),
    ):
        for body in bodies:
            await bus.broadcast("topic", body)

        async def all_there() -> bool:
            return len(received) >= 60

        await eventually(all_there)
        await asyncio.sleep(0.1)

    wanted = sorted((group, body) for group in ("a", "b", "all") for body in bodies)
    assert wanted == sorted(received)


async def test_a_group_goes_on_when_one_of_its_listeners_leaves(
    place: Place, bus: EventBus
) -> None:
    received: list[bytes] = []

    async def handle(body: bytes) -> None:
        received.append(body)

    async with bus.listen("topic", handle, group="a"):
        async with place.open() as other, other.listen("topic", handle, group="a"):
            await bus.broadcast("topic", b"first")
            await eventually(lambda: _as_seen(received, [b"first"]))
        for number in range(10):
            await bus.broadcast("topic", str(number).encode())
        await eventually(lambda: _as_seen(received, [b"first", *(b"%d" % n for n in range(10))]))


async def _as_seen(received: list[bytes], wanted: list[bytes]) -> bool:
    return received == wanted


async def test_a_signal_without_listeners_is_gone(bus: EventBus) -> None:
    received: list[bytes] = []

    async def receive(body: bytes) -> None:
        received.append(body)

    await bus.broadcast("news", b"before")
    async with bus.listen("news", receive):
        await bus.broadcast("news", b"after")
        await until(lambda: bool(received))

    assert received == [b"after"]


async def test_a_listener_survives_an_error_of_its_handler(bus: EventBus) -> None:
    received: list[bytes] = []

    async def stumble(body: bytes) -> None:
        received.append(body)
        raise ValueError("boom")

    async with bus.listen("news", stumble):
        await bus.broadcast("news", b"one")
        await until(lambda: len(received) == 1)
        await bus.broadcast("news", b"two")
        await until(lambda: len(received) == 2)


# --- subscribing ----------------------------------------------------------------------------------


async def test_every_subscriber_of_a_type_receives_all_of_it_in_the_order_of_its_publisher(
    place: Place, bus: EventBus
) -> None:
    one, another = RememberingSubscriber(), RememberingSubscriber()
    messages = [a_message(body=str(number).encode()) for number in range(100)]

    async with (
        place.open() as other,
        bus.subscribe(["order.*"], one),
        other.subscribe(["order.placed"], another),
    ):
        await bus.publish(*messages)
        await until(lambda: len(one.ids) == len(another.ids) == 100)

    assert [message.id for message in messages] == one.ids == another.ids
    assert 0 == one.interruptions == another.interruptions


async def test_a_subscriber_gets_an_event_as_it_was_published(bus: EventBus) -> None:
    subscriber = RememberingSubscriber()

    async with bus.subscribe(["order.*"], subscriber):
        await bus.publish(message := a_message())
        await until(lambda: bool(subscriber.ids))

    assert [message] == subscriber.messages


async def test_other_types_and_what_was_published_before_are_not_received(bus: EventBus) -> None:
    subscriber = RememberingSubscriber()

    await bus.publish(a_message())
    async with bus.subscribe(["order.placed", "bill.sent"], subscriber):
        await bus.publish(
            a_message("order.item.added"), a_message("order.paid"), last := a_message("bill.sent")
        )
        await until(lambda: bool(subscriber.ids))

    assert [last.id] == subscriber.ids


async def test_consumers_get_what_subscribers_get_all_the_same(
    bus: EventBus, orders: Queue
) -> None:
    inbox, subscriber = Inbox(), RememberingSubscriber()

    async with bus.consume(orders, inbox), bus.subscribe(["order.#"], subscriber):
        await bus.publish(message := a_message())
        await inbox.holds(1)
        await until(lambda: bool(subscriber.ids))

    assert [message.id] == inbox.ids == subscriber.ids


# --- looking --------------------------------------------------------------------------------------


async def test_looking_at_messages_leaves_them_where_they_are(bus: EventBus, orders: Queue) -> None:
    messages = [a_message() for _ in range(3)]
    await bus.publish(*messages)
    await depth_becomes(bus, orders.name, 3)

    seen = await bus.peek(orders.name, limit=2)

    assert seen == messages[:2]
    await depth_becomes(bus, orders.name, 3)


async def test_an_undeclared_queue_is_not_found(bus: EventBus) -> None:
    with pytest.raises(NotFound, match="no-such-queue"):
        await bus.depth("no-such-queue")
    with pytest.raises(NotFound, match="no-such-queue"):
        await bus.peek("no-such-queue")


async def test_a_bus_that_works_answers_a_ping(bus: EventBus) -> None:
    await bus.ping()
