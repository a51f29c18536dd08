"""How many rows one flow run of an analysis leaves in Prefect's database: what its size follows
from.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from tests.benchmarks.sizing import capacity
from tests.support.analyses import an_opportunity, ended
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.analysis_services import AnalysisServices
from tests.support.system.orchestra import Orchestra, orchestra
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

_OF_A_RUN = {
    "flow_run": "SELECT count(*) FROM flow_run WHERE id = :id",
    "flow_run_state": "SELECT count(*) FROM flow_run_state WHERE flow_run_id = :id",
    "task_run": "SELECT count(*) FROM task_run WHERE flow_run_id = :id",
    "task_run_state": "SELECT count(*) FROM task_run_state WHERE task_run_id IN"
    " (SELECT id FROM task_run WHERE flow_run_id = :id)",
    "artifact": "SELECT count(*) FROM artifact WHERE flow_run_id = :id",
    "log": "SELECT count(*) FROM log WHERE flow_run_id = :id",
    "events": "SELECT count(DISTINCT event_id) FROM event_resources WHERE resource_id = :resource",
    "event_resources": "SELECT count(*) FROM event_resources WHERE event_id IN"
    " (SELECT event_id FROM event_resources WHERE resource_id = :resource)",
}


@pytest.fixture
async def parts(tmp_path: Path, prefect_server: PrefectServer) -> AsyncIterator[Orchestra]:
    async with orchestra(tmp_path, prefect_server, DISPATCH_OPEN_SECONDS="0") as parts:
        parts.listener.start()
        parts.worker.start()
        yield parts


async def test_a_flow_run_leaves_as_many_rows_as_sizing_assumes(
    parts: Orchestra, services: AnalysisServices, prefect_server: PrefectServer
) -> None:
    await parts.bus.publish(event := an_opportunity())
    run_id = (await ended(parts, event)).flow_run_id
    assert run_id
    found: dict[str, int] = {}

    async def are_there() -> bool:
        found.update(rows_of(prefect_server, UUID(run_id)))
        return dict(capacity.PREFECT_ROWS) == found

    try:
        await eventually(are_there, within_seconds=30, every_seconds=1)
    except AssertionError:
        assert capacity.PREFECT_ROWS == found


def rows_of(server: PrefectServer, run_id: UUID) -> dict[str, int]:
    """By table; SQLite has Prefect's ids as text."""
    file = server.database_url.removeprefix("sqlite+aiosqlite:///")
    names = {"id": str(run_id), "resource": f"prefect.flow-run.{run_id}"}
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return {
            table: connection.execute(sql, names).fetchone()[0] for table, sql in _OF_A_RUN.items()
        }
