"""Executions of answers that are judged together are read together."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from blocks.adapters.sqlite.record_store import SqliteRecordStore
from blocks.contracts.records import ExecutionRecord
from blocks.executions import transitions
from blocks.ports import NotFound, Page, Stored, Unavailable
from listeners.execution_reads import ExecutionReads
from tests.support.factories import A_TENANT, ANOTHER_TENANT, an_execution, new_id


class Store(SqliteRecordStore):
    """The embedded store, which counts its reads and can be away."""

    reads = 0
    is_away = False

    async def read(self, *arguments: Any, **named: Any) -> Stored[Any]:
        self._count()
        return await super().read(*arguments, **named)

    async def query(self, *arguments: Any, **named: Any) -> Page[Any]:
        self._count()
        return await super().query(*arguments, **named)

    def _count(self) -> None:
        self.reads += 1
        if self.is_away:
            raise Unavailable("the store is away")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "records.db") as store:
        yield store


async def executions(store: Store, count: int) -> list[str]:
    return [(await store.create(A_TENANT, an_execution())).record.id for _ in range(count)]


async def test_those_that_are_asked_for_together_are_one_query(store: Store) -> None:
    ids = await executions(store, 30)
    reads = ExecutionReads(store)

    read = await asyncio.gather(*(reads.read(A_TENANT, id) for id in [*ids, *ids]))

    assert [*ids, *ids] == [execution.id for execution in read]
    assert 1 == store.reads


async def test_one_that_is_missing_fails_its_own_caller_only(store: Store) -> None:
    [there] = await executions(store, 1)
    reads = ExecutionReads(store)

    found, missing, foreign = await asyncio.gather(
        reads.read(A_TENANT, there),
        reads.read(A_TENANT, new_id()),
        reads.read(ANOTHER_TENANT, there),
        return_exceptions=True,
    )

    assert isinstance(found, ExecutionRecord)
    assert isinstance(missing, NotFound)
    assert isinstance(foreign, NotFound)


async def test_who_asks_later_sees_what_was_written_before(store: Store) -> None:
    [id] = await executions(store, 1)
    reads = ExecutionReads(store)
    first = asyncio.create_task(reads.read(A_TENANT, id))
    await asyncio.sleep(0)
    await transitions.cancel(store, await store.read(A_TENANT, ExecutionRecord, id), "by a test")

    assert "cancelled" == (await reads.read(A_TENANT, id)).status
    assert id == (await first).id


async def test_a_store_that_is_away_fails_all_and_is_asked_again(store: Store) -> None:
    ids = await executions(store, 2)
    reads = ExecutionReads(store)
    store.is_away = True
    failed = await asyncio.gather(*(reads.read(A_TENANT, id) for id in ids), return_exceptions=True)
    store.is_away = False

    assert [Unavailable, Unavailable] == [type(error) for error in failed]
    assert ids[0] == (await reads.read(A_TENANT, ids[0])).id


async def test_a_record_that_cannot_be_read_fails_its_own_caller_only(
    store: Store, tmp_path: Path
) -> None:
    there, damaged = await executions(store, 2)
    with closing(sqlite3.connect(tmp_path / "records.db")) as file, file:
        changed = file.execute(
            f"UPDATE {ExecutionRecord.container} SET body = json_set(body, '$.status', 'x') "
            "WHERE id = ?",
            (damaged,),
        )
        assert 1 == changed.rowcount
    reads = ExecutionReads(store)

    found, failed = await asyncio.gather(
        reads.read(A_TENANT, there), reads.read(A_TENANT, damaged), return_exceptions=True
    )

    assert isinstance(found, ExecutionRecord)
    assert isinstance(failed, Exception)
