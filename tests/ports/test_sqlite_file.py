"""One SQLite file that several processes use: who waits for whom."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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
