"""Two APIs, one reconciler: the other takes over when its process is killed, and at once when it
stops in good order.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records import ExecutionRecord, ReconcilerRecord
from blocks.ports import NotFound
from tests.support.analyses import seen
from tests.support.factories import A_TENANT, a_tenant_record, an_execution
from tests.support.servers.ports import free_port
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.ledger import TERMINAL, Ledger
from tests.support.system.orchestra import Orchestra, Process, orchestra

pytestmark = pytest.mark.long


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, RECONCILER_INTERVAL_SECONDS="1") as parts:
        await parts.store.create(ids.SYSTEM_TENANT, a_tenant_record(tenant=A_TENANT))
        yield parts


async def leader_of(parts: Orchestra, *, other_than: str | None = None) -> str:
    async def leader() -> str | None:
        with suppress(NotFound):
            record = (
                await parts.store.read(ids.SYSTEM_TENANT, ReconcilerRecord, ReconcilerRecord.ID)
            ).record
            return record.leader if record.leader != other_than else None
        return None

    return await seen(parts, leader)


def is_of(process: Process, leader: str) -> bool:
    return leader.split(":")[1] == str(process.pid)


async def an_owed_end(parts: Orchestra) -> ExecutionRecord:
    long_ago = utc_now() - timedelta(minutes=1)
    owed = an_execution(
        status="completed", completed_at=long_ago, updated_at=long_ago, results={"risk": {}}
    )
    await parts.store.create(A_TENANT, owed)
    return owed


async def until_announced(parts: Orchestra, execution: ExecutionRecord) -> None:
    async def is_announced() -> bool:
        return bool(
            (await parts.store.read(A_TENANT, ExecutionRecord, execution.id)).record.announced_at
        )

    await seen(parts, is_announced)


async def test_another_repairs_within_ten_seconds_of_the_leaders_death_and_at_once_after_its_stop(
    parts: Orchestra, ledger: Ledger
) -> None:
    leading, standing_by = parts.api, parts.one_more("api")
    leading.start()
    first = await leader_of(parts)
    standing_by.start(PORT=str(free_port()))
    await seen(parts, lambda: _has_logged(standing_by, "listens on", times=2))

    leading.kill()
    killed_at = monotonic()
    owed = await an_owed_end(parts)
    await until_announced(parts, owed)

    assert monotonic() - killed_at <= 10
    second = await leader_of(parts, other_than=first)
    assert is_of(standing_by, second)

    leading.start(PORT=str(free_port()))
    await seen(parts, lambda: _has_logged(leading, "listens on", times=3))
    standing_by.stop()
    stopped_at = monotonic()

    assert is_of(leading, await leader_of(parts, other_than=second))
    assert monotonic() - stopped_at <= 2
    [event] = await ledger.published(*TERMINAL)
    assert event["id"] == ids.terminal_event_id(owed.id)


async def _has_logged(process: Process, words: str, *, times: int = 1) -> bool:
    """Both write to one file."""
    return process.log.count(words) >= times
