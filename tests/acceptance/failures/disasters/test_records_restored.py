"""The records are those of a backup: older than Prefect's runs, than the events, than what others
have heard.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.clock import utc_now
from blocks.contracts import ids, rejections
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Message
from tests.acceptance.failures.disasters.droppable import DroppablePrefect
from tests.acceptance.failures.disasters.scene import (
    all_are,
    all_suspended,
    approve,
    in_words,
    orchestrator,
)
from tests.support.analyses import a_large_deal, an_opportunity, execution_id_of, find, seen
from tests.support.factories import A_TENANT
from tests.support.servers.rabbitmq import RabbitMQNode
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.ledger import REQUESTED, TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, on_rabbitmq, orchestra

pytestmark = pytest.mark.long

STEP_TIMEOUT_SECONDS = 60
"""The backup is older than that, as an hour is older than the five minutes of a real step."""


@pytest.fixture
async def parts(
    tmp_path: Path, prefect: DroppablePrefect, rabbitmq: RabbitMQNode
) -> AsyncIterator[Orchestra]:
    on = {
        "DISPATCH_OPEN_SECONDS": "0",  # what is to be pending would join the run that is under way
        "HITL_APPROVALS_ENABLED": "true",
        "ANALYSIS_STEP_TIMEOUT_SECONDS": str(STEP_TIMEOUT_SECONDS),
        **on_rabbitmq(rabbitmq, tmp_path.name),
    }
    async with orchestra(tmp_path, prefect, **on) as parts:
        start(parts)
        yield parts


def start(parts: Orchestra) -> None:
    for process in (parts.api, parts.listener, parts.worker):
        process.start()


async def test_records_of_a_backup_are_brought_up_to_date_and_all_ends(
    parts: Orchestra,
    prefect: DroppablePrefect,
    flow_runs: PrefectFlowRuns,
    ledger: Ledger,
    services: AnalysisServices,
    tmp_path: Path,
) -> None:
    ended, pending, later = ([an_opportunity() for _ in range(10)] for _ in range(3))
    running = [an_opportunity() for _ in range(10)]
    suspended, decided = ([a_large_deal() for _ in range(5)] for _ in range(2))
    await parts.bus.publish(*ended, *suspended, *decided)
    await all_are(parts, ended, "completed")
    await all_are(parts, [*suspended, *decided], "awaiting_approval")
    await all_suspended(parts, flow_runs)
    services.silent.update(REQUESTED)
    await parts.bus.publish(*running)
    await all_are(parts, running, "running")
    await prefect.pause(pool := parts.settings.prefect.work_pool)
    await parts.bus.publish(*pending)
    await all_are(parts, pending, "pending")
    taken_at = utc_now()
    copied(tmp_path / "records.db", tmp_path / "backup.db")

    # The hour that is lost.
    await prefect.resume(pool)
    await services.speak()
    await approve(parts, flow_runs, decided)
    await parts.bus.publish(*later)
    await all_are(parts, [*running, *pending, *decided, *later], "completed")
    await seen(parts, lambda: are_late(parts, running))
    ends_before = {event["id"] for event in await ledger.published(*TERMINAL, count=45)}

    began = time.monotonic()
    await stopped(parts)
    copied(tmp_path / "backup.db", tmp_path / "records.db")
    start(parts)
    await all_are(parts, pending, "completed")
    await seen(parts, lambda: have_ended(parts, running), within_seconds=240)
    # An answer may be recorded before the late deadline is looked at: it counts.
    late = [event for event in running if await error_code(parts, event)]
    assert {rejections.STEP_TIMEOUT} >= {await error_code(parts, event) for event in late}
    for event in late:
        await orchestrator(
            parts, "executions", "retry", execution_id_of(event), "--tenant", A_TENANT
        )
    await all_are(parts, running, "completed")
    again = time.monotonic()
    assert {execution_id_of(event) for event in later} == await missing(parts, taken_at.isoformat())
    await parts.bus.publish(*later)
    await all_are(parts, later, "completed")
    assert set() == await missing(parts, taken_at.isoformat())
    await all_suspended(parts, flow_runs)
    await approve(parts, flow_runs, [*suspended, *decided])
    await all_are(parts, [*suspended, *decided], "completed")
    figures = {"what the backup has": again - began, "all ended": time.monotonic() - began}
    print(in_words(figures))  # noqa: T201

    retried = {ids.terminal_event_id(execution_id_of(event), 1) for event in late}
    of_suspended = {ids.terminal_event_id(execution_id_of(event)) for event in suspended}
    assert ends_before | retried | of_suspended == {
        event["id"] for event in await ledger.published(*TERMINAL, count=50 + len(late))
    }


async def stopped(parts: Orchestra) -> None:
    for process in (parts.api, parts.listener, parts.worker):
        await asyncio.to_thread(process.stop)


def copied(source: Path, target: Path) -> None:
    """SQLite's own copy, which is whole whoever writes meanwhile."""
    with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(target)) as copy:
        whole.backup(copy)


async def have_ended(parts: Orchestra, events: list[Message]) -> bool:
    records = [await find(parts, event) for event in events]
    return all(record is not None and record.is_terminal for record in records)


async def are_late(parts: Orchestra, events: list[Message]) -> bool:
    """Their steps would be out of time by now."""
    records = [await find(parts, event) for event in events]
    moments = [record.started_at for record in records if record and record.started_at]
    return max(moments) + timedelta(seconds=STEP_TIMEOUT_SECONDS) < utc_now()


async def error_code(parts: Orchestra, event: Message) -> str | None:
    record = await find(parts, event)
    assert isinstance(record, ExecutionRecord)
    return record.error_code


async def missing(parts: Orchestra, since: str) -> set[str]:
    """What the command lists."""
    listed = await orchestrator(parts, "executions", "missing", "--since", since, "--json")
    found = [json.loads(line) for line in listed.splitlines() if line.startswith("{")]
    return {one["executionId"] for one in found if one["tenantId"] == A_TENANT}
