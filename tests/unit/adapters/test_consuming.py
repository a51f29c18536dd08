"""What both event buses do with a delivery, and when they take no more."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from blocks.adapters import consuming
from blocks.adapters.consuming import Pause, judge_together, one_by_one
from blocks.ports import (
    Accept,
    Delivery,
    Handler,
    Message,
    Queue,
    Reject,
    Retry,
    Unavailable,
    Verdict,
)

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


async def judged(handler: Handler, delivery: Delivery) -> Verdict | None:
    [verdict] = await judge_together(one_by_one(handler), [delivery], QUEUE)
    return verdict


async def test_a_handler_that_lacks_something_decides_nothing_however_often() -> None:
    assert await judged(lacks_something, a_delivery(attempt=100)) is None


async def test_a_handler_that_hangs_is_tried_again_and_then_poison(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consuming, "HANDLER_SECONDS", 0.05)
    why = "TimeoutError: not judged within 0.05 s"
    assert Retry("poison", why) == await judged(hangs, a_delivery())
    assert Reject("poison", why) == await judged(hangs, a_delivery(attempt=5))


async def test_a_bunch_that_hangs_fails_only_the_message_that_makes_it_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consuming, "HANDLER_SECONDS", 0.05)
    bad, good = a_delivery(), a_delivery()

    async def handler(deliveries: Sequence[Delivery]) -> Sequence[Verdict]:
        if bad in deliveries:
            await asyncio.Event().wait()
        return [Accept() for _ in deliveries]

    verdicts = await judge_together(handler, [good, bad, good], QUEUE)

    assert [Accept, Retry, Accept] == [type(verdict) for verdict in verdicts]


async def test_a_bunch_of_which_some_lack_something_is_followed_by_a_pause_and_a_trial() -> None:
    pause = Pause()
    pause.heed([Accept(), None, Accept()])
    assert (True, True) == (pause.is_on, pause.is_trial)
    pause.heed([Accept()])
    assert not pause.is_trial


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
