"""What a process has begun ends within a limit, whatever ignores its cancellation."""

import asyncio
import signal
import subprocess
import sys
from time import monotonic

import pytest

from blocks.approvals import forms
from blocks.approvals.forms import off_loop
from blocks.processes import ending

FOR_EVER = 3600.0


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "_CANCEL_AGAIN_SECONDS", 0.05)


async def ignores(cancellations: int) -> None:
    """As a task does whose cancellation comes together with the result that it waits for."""
    for _ in range(cancellations):
        try:
            await asyncio.sleep(FOR_EVER)
        except asyncio.CancelledError:
            continue
    await asyncio.sleep(FOR_EVER)


async def begun(cancellations: int) -> asyncio.Task[None]:
    task = asyncio.create_task(ignores(cancellations), name=f"what ignores {cancellations}")
    await asyncio.sleep(0)
    return task


async def test_a_task_that_loses_a_cancellation_is_cancelled_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heeds, loses = await begun(0), await begun(1)

    await ending.ended(heeds, loses)

    assert heeds.cancelled()
    assert loses.cancelled()
    assert [
        "what ignores 1 goes on though it was cancelled: cancelling it again"
    ] == caplog.messages


async def test_a_task_that_no_cancellation_ends_is_left_behind_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stubborn = await begun(2)

    await ending.ended(stubborn)

    assert not stubborn.done()
    assert "what ignores 2 does not end: it is left behind" == caplog.messages[-1]
    stubborn.cancel()
    await asyncio.gather(stubborn, return_exceptions=True)


async def test_a_task_that_has_failed_ends_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)

    await ending.ended(task)

    assert [] == caplog.messages


async def test_a_closing_that_takes_too_long_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    await ending.closed("a connection", ignores(1), within_seconds=0.05)

    assert "a connection was not closed within 0.05 s: going on without" == caplog.messages[0]


async def test_a_closing_raises_what_it_raises() -> None:
    async def fail() -> None:
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await ending.closed("a connection", fail())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="wait_for was mended in Python 3.12")
async def test_a_cancellation_that_comes_together_with_a_result_is_lost_and_repeated() -> None:
    """The outside fact for which cancellations are repeated: if it is one no more, `ended` can be
    simpler.
    """
    result: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def waits() -> None:
        await asyncio.wait_for(result, FOR_EVER)
        await asyncio.sleep(FOR_EVER)

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    result.set_result(None)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done(), "the cancellation was lost"

    await ending.ended(task)

    assert task.cancelled()


HANGS = """
import asyncio, logging
from deployments.local.stack_dump import dump_on_signal
from deployments.local.stop_signals import until_stopped

async def hangs():
    dump_on_signal()
    print("begun", flush=True)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

logging.basicConfig()
asyncio.run(until_stopped(hangs(), limit_seconds=1))
"""


def test_a_process_that_does_not_stop_says_what_it_waits_for_and_exits() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert "begun\n" == process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    stopped_at = monotonic()
    _, log = process.communicate(timeout=60)

    assert 1 == process.returncode
    assert monotonic() - stopped_at >= 1, "it has its time"
    assert "asked to stop, and has not" in log
    assert "cancelled 1 times: <string>:11 hangs > " in log
    assert "Timeout (0:00:01)!" in log


def test_a_process_that_is_sent_sigusr1_says_what_it_waits_for_and_goes_on() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    assert "begun\n" == process.stdout.readline()
    process.send_signal(signal.SIGUSR1)
    log = ""
    while "WARNING" not in log or "hangs > " not in log:
        log += process.stderr.readline()

    assert process.poll() is None
    assert "(most recent call first)" in log, "the threads' stacks, too"
    process.kill()
    process.communicate()


async def test_a_cancellation_that_comes_together_with_the_answer_of_a_check_counts() -> None:
    checking = asyncio.create_task(off_loop(int))
    await asyncio.sleep(0)
    forms._CHECKS.submit(int).result()  # one thread: by now the answer of the first is on its way
    asyncio.get_running_loop().call_soon(checking.cancel)

    with pytest.raises(asyncio.CancelledError):
        await checking
