"""A process waits at its start for what it needs, logs it once, and not for ever."""

import logging

import pytest

from blocks.ports import DeclaredOtherwise, Mismatch, Unavailable
from blocks.processes import startup
from blocks.processes.startup import wait_until_available


class Part:
    """Comes at the given attempt."""

    def __init__(self, comes_at: int) -> None:
        self.attempts = 0
        self._comes_at = comes_at

    async def __call__(self) -> str:
        self.attempts += 1
        if self.attempts < self._comes_at:
            raise Unavailable("connection refused")
        return "here"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(startup, "_AGAIN_SECONDS", 0.01)
    caplog.set_level(logging.INFO)


async def test_what_is_there_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    assert await wait_until_available("the broker", Part(comes_at=1), limit_seconds=5) == "here"
    assert [] == caplog.messages


async def test_what_comes_later_is_waited_for_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    part = Part(comes_at=5)
    assert await wait_until_available("the broker", part, limit_seconds=5) == "here"
    assert part.attempts == 5
    waiting, come = caplog.messages
    assert waiting == "waiting for the broker, at most 5 s: connection refused"
    assert come.startswith("the broker is there after ")


async def test_what_never_comes_is_named() -> None:
    with pytest.raises(
        Unavailable, match=r"the broker did not come within 0\.05 s: connection refused"
    ):
        await wait_until_available("the broker", Part(comes_at=1_000_000), limit_seconds=0.05)


async def test_what_no_wait_helps_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    mismatch = Mismatch(
        kind="queue", name="a-queue", argument="durable", existing="false", declared="true"
    )

    async def attempt() -> None:
        raise DeclaredOtherwise(mismatch)

    with pytest.raises(DeclaredOtherwise, match=r"^queue a-queue exists with other arguments"):
        await wait_until_available("the broker", attempt, limit_seconds=3600)
    assert [] == caplog.messages
