"""How the embedded event bus learns of what other processes write."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from blocks.adapters.sqlite.file import SqliteFile
from blocks.adapters.sqlite.file_changes import FileChanges
from blocks.adapters.sqlite.watch import SqliteWatch

_TABLE = "CREATE TABLE IF NOT EXISTS written (what TEXT);"

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems give no notice of writes"
)


@linux_only
async def test_what_another_connection_writes_is_noticed(tmp_path: Path) -> None:
    async with SqliteFile(tmp_path / "a.db", _TABLE):
        changed = asyncio.Event()
        changes = FileChanges(tmp_path / "a.db-wal", changed.set)
        changes.open()
        try:
            await asyncio.to_thread(write, tmp_path / "a.db", "something")
            async with asyncio.timeout(60):
                await changed.wait()
        finally:
            changes.close()


@linux_only
async def test_writes_are_reported_once_until_they_are_listened_for_again(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.touch()
    reports: asyncio.Queue[None] = asyncio.Queue()
    changes = FileChanges(file, lambda: reports.put_nowait(None))
    changes.open()
    try:
        async with asyncio.timeout(60):
            file.write_text("one")
            await reports.get()
            file.write_text("two")
            await asyncio.sleep(0.1)
            assert reports.empty()
            changes.listen()
            await reports.get()
    finally:
        changes.close()


async def test_what_another_connection_writes_is_seen(tmp_path: Path) -> None:
    async with watched(tmp_path / "a.db") as watch:
        waiting = asyncio.create_task(watch.until(what_is_written))
        await asyncio.to_thread(write, tmp_path / "a.db", "something")
        async with asyncio.timeout(60):
            assert ["something"] == await waiting


@linux_only
async def test_a_watch_with_nothing_to_see_hardly_looks(tmp_path: Path) -> None:
    looks = 0

    def look(connection: sqlite3.Connection) -> bool:
        nonlocal looks
        looks += 1
        return False

    async with watched(tmp_path / "a.db") as watch:
        waiting = asyncio.create_task(watch.until(look))
        await asyncio.sleep(1)
        begun = looks
        await asyncio.sleep(2)
        waiting.cancel()

    assert looks - begun <= 8


async def test_what_becomes_due_is_seen_though_nothing_is_written(tmp_path: Path) -> None:
    due_at = asyncio.get_running_loop().time() + 0.5

    def is_due(connection: sqlite3.Connection) -> bool:
        return asyncio.get_running_loop().time() >= due_at

    async with watched(tmp_path / "a.db") as watch, asyncio.timeout(60):
        assert await watch.until(is_due)


@linux_only
async def test_a_deleted_log_is_no_longer_counted_on(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.touch()
    changed = asyncio.Event()
    changes = FileChanges(file, changed.set)
    changes.open()
    try:
        file.unlink()
        async with asyncio.timeout(60):
            await changed.wait()
        assert not changes.are_noticed
    finally:
        changes.close()


@asynccontextmanager
async def watched(path: Path) -> AsyncIterator[SqliteWatch]:
    async with SqliteFile(path, _TABLE), SqliteWatch(path) as watch:
        yield watch


def write(path: Path, what: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO written VALUES (?)", (what,))


def what_is_written(connection: sqlite3.Connection) -> list[str]:
    return [what for (what,) in connection.execute("SELECT what FROM written")]
