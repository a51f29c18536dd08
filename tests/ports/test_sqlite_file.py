"""One SQLite file that several processes use: who waits for whom."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blocks.adapters.sqlite import file as sqlite_file
from blocks.adapters.sqlite.file import SqliteFile
from blocks.ports import Unavailable

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (text TEXT)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


@pytest.fixture
async def file(path: Path) -> AsyncIterator[SqliteFile]:
    async with SqliteFile(path, SCHEMA, timeout_seconds=0.5) as file:
        yield file


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process is in the middle of a write."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    finally:
        connection.close()


def write(text: str, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO notes VALUES (?)", (text,))


def texts(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM notes")]


async def test_a_read_waits_for_no_writer(file: SqliteFile, path: Path) -> None:
    await file.run(lambda connection: write("before", connection))
    with writing(path) as another:
        write("not committed", another)
        assert ["before"] == await file.read(texts)


async def test_a_read_sees_every_write_that_was_awaited(file: SqliteFile) -> None:
    for number in range(100):
        await file.run(lambda connection, text=str(number): write(text, connection))  # type: ignore[misc]
        assert number + 1 == len(await file.read(texts))


async def test_a_read_changes_nothing(file: SqliteFile) -> None:
    with pytest.raises(Unavailable, match="readonly"):
        await file.read(lambda connection: write("by a read", connection))
    assert [] == await file.read(texts)


async def test_a_write_comes_as_soon_as_the_other_writer_is_done(
    file: SqliteFile, path: Path
) -> None:
    with writing(path) as another:
        with pytest.raises(Unavailable, match="locked"):
            await file.run(lambda connection: write("too early", connection))
        another.execute("COMMIT")
    await file.run(lambda connection: write("later", connection))
    assert ["later"] == await file.read(texts)


async def test_who_has_much_to_write_lets_another_in_between(file: SqliteFile, path: Path) -> None:
    def slowly(connection: sqlite3.Connection) -> None:
        time.sleep(0.001)
        write("one of many", connection)

    async with SqliteFile(path, SCHEMA) as another:
        many = asyncio.gather(*(file.run(slowly) for _ in range(500)))
        await asyncio.sleep(0.05)
        await another.run(lambda connection: write("another's", connection))
        assert not many.done()
        await many

    written = await file.read(texts)
    assert 501 == len(written)
    assert written.index("another's") < 400


async def test_a_failing_unit_fails_alone_whatever_transaction_it_is_in(file: SqliteFile) -> None:
    def fails(_: sqlite3.Connection) -> None:
        time.sleep(0.006)
        raise KeyError("one of them")

    def works(connection: sqlite3.Connection) -> None:
        time.sleep(0.006)
        write("written", connection)

    units = [file.run(fails if number % 2 else works) for number in range(8)]
    outcomes = await asyncio.gather(*units, return_exceptions=True)

    assert [None, KeyError] * 4 == [outcome and type(outcome) for outcome in outcomes]
    assert ["written"] * 4 == await file.read(texts)


async def test_a_write_is_done_when_it_is_on_disk_and_no_other_writer_waits_for_that(
    file: SqliteFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes, may_flush = threading.Event(), threading.Event()
    flushed: list[int] = []

    def flush(log: int) -> None:
        flushed.append(os.fstat(log).st_ino)
        flushes.set()
        may_flush.wait(10)

    monkeypatch.setattr(sqlite_file, "_flush", flush)
    written = asyncio.create_task(file.run(lambda connection: write("mine", connection)))
    assert await asyncio.to_thread(flushes.wait, 10)
    with writing(path) as another:
        assert ["mine"] == texts(another)
        write("another's", another)
        another.execute("COMMIT")
    assert not written.done()
    may_flush.set()
    await written

    assert [path.with_name("notes.db-wal").stat().st_ino] == flushed


async def test_a_write_that_the_disk_does_not_confirm_is_unavailable(
    file: SqliteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flush(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sqlite_file, "_flush", flush)
    with pytest.raises(Unavailable, match="No space left"):
        await file.run(lambda connection: write("lost or not", connection))
