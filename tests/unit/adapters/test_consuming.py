"""What both event buses do with a delivery, and when they take no more."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from blocks.adapters import consuming
from blocks.adapters.consuming import Pause, judge
from blocks.ports import Accept, Delivery, Message, Queue, Reject, Retry, Unavailable, Verdict

QUEUE = Queue(name="orders", bindings=())


def a_delivery(attempt: int = 1) -> Delivery:
    message = Message(
        id=str(uuid4()),
        routing_key="order.placed",
        body=b"{}",
        timestamp=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return Delivery(message=message, queue="orders", attempt=attempt)


async def hangs(_: Delivery) -> Verdict:
    await asyncio.Event().wait()
    return Accept()


async def lacks_something(_: Delivery) -> Verdict:
    raise Unavailable("the store is away")


async def test_a_handler_that_lacks_something_decides_nothing_however_often() -> None:
    assert await judge(lacks_something, a_delivery(attempt=100), QUEUE) is None


async def test_a_handler_that_hangs_is_tried_again_and_then_poison(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consuming, "HANDLER_SECONDS", 0.05)
    assert await judge(hangs, a_delivery(), QUEUE) == Retry("poison", "not judged within 0.05 s")
    assert await judge(hangs, a_delivery(attempt=5), QUEUE) == Reject(
        "poison", "not judged within 0.05 s"
    )


async def test_a_pause_ends_by_itself_and_is_followed_by_a_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consuming, "_PAUSE_FIRST_SECONDS", 0.05)
    pause = Pause()
    assert (False, False) == (pause.is_on, pause.is_trial)
    pause.begin()
    assert (True, True) == (pause.is_on, pause.is_trial)
    await asyncio.wait_for(pause.over(), 5)
    assert (False, True) == (pause.is_on, pause.is_trial)
    pause.forget()
    assert (False, False) == (pause.is_on, pause.is_trial)


async def test_each_pause_is_twice_as_long_as_the_one_before_until_a_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consuming, "_PAUSE_FIRST_SECONDS", 0.02)
    monkeypatch.setattr(consuming, "_PAUSE_MAX_SECONDS", 0.08)
    pause = Pause()
    assert [0.02, 0.04, 0.08, 0.08] == [await length_of(pause, monkeypatch) for _ in range(4)]
    pause.forget()
    assert 0.02 == await length_of(pause, monkeypatch)


async def length_of(pause: Pause, monkeypatch: pytest.MonkeyPatch) -> float:
    """What it asks of the event loop: what a busy machine makes of that says nothing."""
    loop, asked = asyncio.get_running_loop(), list[float]()
    call_later = loop.call_later

    def remembered(delay: float, callback: Any, *arguments: Any) -> asyncio.TimerHandle:
        asked.append(delay)
        return call_later(delay, callback, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "call_later", remembered)
        pause.begin()
        pause.begin()  # another handler that failed with the first
    await asyncio.wait_for(pause.over(), 5)
    [length] = asked
    return length
