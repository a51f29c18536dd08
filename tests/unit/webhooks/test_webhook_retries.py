"""Deliveries that failed are tried again over a day; a receiver that asks for time gets it, and
holds up no other.
"""

from contextlib import ExitStack
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from blocks.adapters.rabbitmq.delays import ROOM_SECONDS, room_for, waiting_rooms
from blocks.ports import MESSAGE_BYTES_MAX, Queue
from blocks.settings import load_settings
from blocks.topology import webhooks_queue
from blocks.webhooks.retries import JITTER, delay_after, delays_of
from blocks.webhooks.retry_after import RETRY_AFTER_MAX_SECONDS
from listeners.webhooks.receivers import AT_ONCE, AT_ONCE_IF_SILENT, BUSY, Receivers
from tests.support.factories import A_TENANT, ANOTHER_TENANT

DELAYS = delays_of(load_settings({}).webhooks.retry_delays_seconds)
QUEUE = webhooks_queue(load_settings({}))
DELAY_MAX_SECONDS = 1.1 * RETRY_AFTER_MAX_SECONDS
WAITS_MAX = (
    DELAY_MAX_SECONDS // ROOM_SECONDS[-1]
    + sum(longer // shorter - 1 for shorter, longer in pairwise(ROOM_SECONDS))
    + 1  # what is shorter than every room
)


def test_the_delays_grow_and_make_about_a_day() -> None:
    assert all(earlier <= later for earlier, later in pairwise(DELAYS))
    assert 23 * 3600 < sum(DELAYS) < 25 * 3600
    assert len(DELAYS) + 1 == QUEUE.max_attempts


@given(st.integers(1, 50), st.none() | st.floats(0, RETRY_AFTER_MAX_SECONDS))
def test_a_delay_is_around_the_schedule_and_never_shorter_than_was_asked(
    attempt: int, asked: float | None
) -> None:
    scheduled = DELAYS[min(attempt, len(DELAYS)) - 1]

    delay = delay_after(attempt, DELAYS, asked)

    assert delay >= max(scheduled * (1 - JITTER), asked or 0.0)
    assert delay <= max(scheduled * (1 + JITTER), 1.1 * (asked or 0.0))


def test_what_failed_together_does_not_come_back_together() -> None:
    assert len({delay_after(5, DELAYS) for _ in range(20)}) > 10
    assert len({delay_after(1, DELAYS, 3600.0) for _ in range(20)}) > 10


# --- the broker's waiting rooms -------------------------------------------------------------------


@given(st.floats(0.0, DELAY_MAX_SECONDS))
def test_any_delay_is_a_few_waits_and_none_of_them_is_too_long(seconds: float) -> None:
    remaining, waits = seconds, 0
    while remaining > 0.02:
        room, wait = room_for(QUEUE, remaining)
        assert room in waiting_rooms(QUEUE)
        assert 0 < wait <= remaining
        remaining, waits = remaining - wait, waits + 1

    assert waits <= WAITS_MAX < 40


@given(st.floats(1.0, RETRY_AFTER_MAX_SECONDS), st.floats(1.0, RETRY_AFTER_MAX_SECONDS))
def test_messages_in_one_room_wait_equally_long(one: float, another: float) -> None:
    (room, wait), (other_room, other_wait) = room_for(QUEUE, one), room_for(QUEUE, another)

    assert wait in ROOM_SECONDS
    assert (room == other_room) == (wait == other_wait)


def test_a_queue_without_long_delays_has_one_waiting_room() -> None:
    queue = Queue(name="orders", bindings=["order.#"], max_bytes=MESSAGE_BYTES_MAX)

    assert ["orders.retry"] == waiting_rooms(queue)
    assert ("orders.retry", 7200.0) == room_for(queue, 7200.0)


# --- how much a receiver is given at once ---------------------------------------------------------


def test_a_receiver_has_a_share_of_the_listener_and_a_silent_one_a_small_one() -> None:
    receivers = Receivers(clock=lambda: 0.0)
    with ExitStack() as under_way:
        for _ in range(AT_ONCE):
            assert 0.0 == receivers.seconds_to_wait(A_TENANT, "hook")
            under_way.enter_context(receivers.sending(A_TENANT, "hook"))
        turns = [receivers.seconds_to_wait(A_TENANT, "hook") for _ in range(10_000)]
        assert 0.0 == receivers.seconds_to_wait(A_TENANT, "another")
    assert sorted(turns) == turns
    assert 1.0 == turns[0] < turns[100] <= turns[-1] == 60.0

    receivers.was_silent("hook")
    with ExitStack() as under_way:
        for _ in range(AT_ONCE_IF_SILENT):
            assert 0.0 == receivers.seconds_to_wait(A_TENANT, "hook")
            under_way.enter_context(receivers.sending(A_TENANT, "hook"))
        assert receivers.seconds_to_wait(A_TENANT, "hook") > 0
        receivers.answered("hook")
        assert 0.0 == receivers.seconds_to_wait(A_TENANT, "hook")


def test_a_tenant_leaves_room_for_others_and_its_webhook_that_has_none_under_way_has_one() -> None:
    receivers = Receivers(clock=lambda: 0.0)
    with ExitStack() as under_way:
        for number in range(BUSY):
            assert 0.0 == receivers.seconds_to_wait(A_TENANT, f"slow-{number % 4}")
            under_way.enter_context(receivers.sending(A_TENANT, f"slow-{number % 4}"))
        turns = [receivers.seconds_to_wait(A_TENANT, f"slow-{n % 4}") for n in range(10_000)]
        for _ in range(AT_ONCE):
            assert 0.0 == receivers.seconds_to_wait(ANOTHER_TENANT, "another")
            under_way.enter_context(receivers.sending(ANOTHER_TENANT, "another"))
        assert 0.0 == receivers.seconds_to_wait(A_TENANT, "idle")
        with receivers.sending(A_TENANT, "idle"):
            assert receivers.seconds_to_wait(A_TENANT, "idle") > 0
    assert sorted(turns) == turns
    assert 1.0 == turns[0] < turns[100] <= turns[-1] == 60.0
    assert 0.0 == receivers.seconds_to_wait(A_TENANT, "slow-0")


def test_a_receiver_that_asked_for_time_is_left_alone_until_then() -> None:
    seconds = 0.0
    receivers = Receivers(clock=lambda: seconds)
    receivers.leave_alone("hook", 30.0)

    assert (30.0, 0.0) == (
        receivers.seconds_to_wait(A_TENANT, "hook"),
        receivers.seconds_to_wait(A_TENANT, "another"),
    )
    seconds = 29.0
    assert 1.0 == receivers.seconds_to_wait(A_TENANT, "hook")
    seconds = 30.0
    assert 0.0 == receivers.seconds_to_wait(A_TENANT, "hook")
