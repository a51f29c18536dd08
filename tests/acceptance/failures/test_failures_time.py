"""A worker whose machine's clock is ten minutes off works like any other, and so does the one that
takes over from it.

On RabbitMQ: the embedded bus belongs to one machine, which has one clock.
"""

import subprocess
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from blocks.clock import utc_now
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message
from tests.support.analyses import an_opportunity, ended, execution_id_of, find, recorded
from tests.support.servers.prefect_server import PrefectServer
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices, answer_to
from tests.support.system.invariants import done_once
from tests.support.system.ledger import REQUESTED, Ledger
from tests.support.system.orchestra import Orchestra, on_rabbitmq, orchestra
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
STEP_TIMEOUT = timedelta(seconds=60)


@pytest.fixture(scope="module")
def faketime() -> Path:
    """The library that shows its process another time; Debian's package `libfaketime`, installed if
    it can be.
    """
    if not (found := library()):
        subprocess.run([ROOT / "scripts" / "debian-packages", "libfaketime"], capture_output=True)
        found = library()
    if not found:
        pytest.skip("libfaketime is not installed (Debian package libfaketime)")
    return found


def library() -> Path | None:
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    quick = {
        "RECONCILER_INTERVAL_SECONDS": "1",
        "ANALYSIS_STEP_TIMEOUT_SECONDS": str(STEP_TIMEOUT.seconds),
    }
    async with orchestra(
        tmp_path, prefect_server, **on_rabbitmq(rabbitmq, tmp_path.name), **quick
    ) as parts:
        parts.listener.start()
        parts.api.start()
        yield parts


def off_by(minutes: int, faketime: Path) -> dict[str, str]:
    """The environment of a process whose clock is so far off; what measures
    durations is as always.
    """
    return {
        "LD_PRELOAD": str(faketime),
        "FAKETIME": f"{minutes:+d}m",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [-10, 10])
async def test_a_worker_whose_clock_is_wrong_does_its_work_once_and_in_time(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, faketime: Path, minutes: int
) -> None:
    services.silent |= set(REQUESTED)
    parts.worker.start(**off_by(minutes, faketime))
    events = answered, unanswered = an_opportunity(), an_opportunity()
    published = utc_now()
    await parts.bus.publish(*events)
    for event in events:
        await recorded(parts, event, "running")
    await eventually(lambda: all_asked(services, 8), within_seconds=60)
    # Long enough for a reconciler that goes by another clock to take the worker for dead.
    await eventually(lambda: passed(published + timedelta(seconds=15)), within_seconds=30)

    of_one = [
        one for one in services.unanswered if one["data"]["workflowId"] == execution_id_of(answered)
    ]
    await parts.bus.publish(*map(answer_to, of_one))
    assert ("completed", 1) == status_and_attempt(await ended(parts, answered))
    timed_out = await ended(parts, unanswered, within_seconds=120)

    assert ("failed", "step-timeout", 1) == (
        timed_out.status,
        timed_out.error_code,
        timed_out.attempt,
    )
    assert STEP_TIMEOUT <= (timed_out.completed_at or published) - (
        timed_out.started_at or published
    )
    for moment in (timed_out.started_at, timed_out.completed_at):
        assert moment
        assert published - timedelta(seconds=10) < moment < utc_now() + timedelta(seconds=10)
    await done_once(parts, ledger, events)


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [-10, 10])
async def test_the_work_of_a_killed_worker_whose_clock_was_wrong_goes_on_in_time(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, faketime: Path, minutes: int
) -> None:
    services.silent |= set(REQUESTED)
    event = an_opportunity()
    parts.worker.start(**off_by(minutes, faketime))
    await parts.bus.publish(event)
    await recorded(parts, event, "running")
    await eventually(lambda: all_asked(services, 4), within_seconds=60)
    parts.another_worker.start()
    await eventually(lambda: parts.has_workers(2), within_seconds=60)

    parts.worker.kill()
    killed = utc_now()

    async def is_claimed_again() -> bool:
        record = await find(parts, event)
        return record is not None and record.attempt == 2

    await eventually(is_claimed_again, within_seconds=30)
    assert utc_now() - killed < timedelta(seconds=10)
    await services.speak()
    assert "completed" == (await ended(parts, event)).status
    await done_once(parts, ledger, [event])


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-24 * 365, 24 * 365])
async def test_what_an_event_says_of_its_time_decides_nothing(
    parts: Orchestra, ledger: Ledger, services: AnalysisServices, hours: int
) -> None:
    event = an_opportunity()
    envelope = msgspec.json.decode(event.body)
    envelope["timestamp"] = (utc_now() + timedelta(hours=hours)).isoformat()
    misdated = Message(
        id=event.id,
        routing_key=event.routing_key,
        body=msgspec.json.encode(envelope),
        timestamp=event.timestamp,
    )
    parts.worker.start()

    await parts.bus.publish(misdated)

    assert "completed" == (await ended(parts, event)).status
    [execution] = await done_once(parts, ledger, [event])
    assert utc_now() - execution.created_at < timedelta(minutes=2)


def status_and_attempt(execution: ExecutionRecord) -> tuple[str, int]:
    return execution.status, execution.attempt


async def all_asked(services: AnalysisServices, requests: int) -> bool:
    return len(services.unanswered) >= requests


async def passed(moment: datetime) -> bool:
    return utc_now() >= moment
