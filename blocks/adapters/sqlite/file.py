"""One SQLite file, used by two threads of ours, one of which only reads: many small units of work,
few commits (group commit).

The standard `sqlite3` module is enough; an async wrapper would hand each statement over on its own
and commit each unit of work on its own, which costs one disk flush per event. Here everything that
is waiting shares one transaction, as long as that takes milliseconds.
"""

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from blocks.ports import Unavailable
from blocks.processes.private_files import private_file, private_folder, tighten

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
_Waiting = tuple[Work[Any], asyncio.Future[Any]]

_BATCH_MAX = 500
_BUSY_SECONDS = 0.0002
"""Between two tries to begin while another process writes."""

_HELD_SECONDS = 0.005
"""A transaction takes no more work in after this long: other processes wait to write."""

_flush: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
"""macOS has only the second."""


class SqliteFile:
    """Runs units of work on a SQLite file, each atomic, many per commit; an awaited unit is on
    disk.

    Lives as long as its `async with`; the threads and connections end with it. `run` and `read`
    raise what the work raises, and `Unavailable` when the file is locked for longer than
    `timeout_seconds`, full, or gone.
    """

    def __init__(self, path: Path, schema: str, *, timeout_seconds: float = 10.0) -> None:
        self._path = path
        # FULL would flush the log while it holds the lock; `_commit_together` does it afterwards.
        opening = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL")
        self._writer = _Connection(path, timeout_seconds, opening, schema, writes=True)
        self._reader = _Connection(path, timeout_seconds, ("PRAGMA query_only=ON",))

    async def __aenter__(self) -> Self:
        try:
            self._make()
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be opened: {error.strerror}") from None
        await self._writer.open()
        try:
            await self._reader.open()
        except Unavailable:
            await self._writer.close()
            raise
        return self

    def _make(self) -> None:
        """SQLite gives its log and its index the permissions of the file itself."""
        if not self._path.parent.exists():
            private_folder(self._path.parent)
        private_file(self._path)
        tighten(self._path.with_name(self._path.name + end) for end in ("-wal", "-shm"))

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        await self._reader.close()
        await self._writer.close()

    async def run(self, work: Work[T]) -> T:
        """The work's result, once its transaction is on disk."""
        return await self._writer.run(work)

    async def read(self, work: Work[T]) -> T:
        """The result of work that changes nothing. It sees all that was awaited before, and waits
        for no writer, of this process or another.
        """
        return await self._reader.run(work)


class _Connection:
    """A connection and its thread, which does the work of one batch after the other."""

    def __init__(
        self,
        path: Path,
        timeout_seconds: float,
        opening: tuple[str, ...],
        schema: str = "",
        *,
        writes: bool = False,
    ) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._opening = opening
        self._schema = schema
        self._begin = self._lock_in_time if writes else _begin_reading
        self._writes = writes
        self._log = -1
        """The file descriptor of SQLite's write-ahead log, of a connection that writes."""
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"sqlite-{path.name}", daemon=True)
        self._opened: asyncio.Future[None]
        self._loop: asyncio.AbstractEventLoop

    async def open(self) -> None:
        """Raises `Unavailable`: then there is nothing to close."""
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.create_future()
        self._thread.start()
        await self._opened

    async def close(self) -> None:
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    async def run(self, work: Work[T]) -> T:
        if not self._thread.is_alive():
            raise Unavailable(f"{self._path.name} is closed")
        done: asyncio.Future[T] = self._loop.create_future()
        self._waiting.put((work, done))
        return await done

    def _serve(self) -> None:
        try:
            connection = sqlite3.connect(
                self._path, isolation_level=None, timeout=self._timeout_seconds
            )
            for pragma in self._opening:
                connection.execute(pragma)
            connection.executescript(self._schema)
            if self._writes:
                self._log = os.open(self._path.with_name(self._path.name + "-wal"), os.O_RDWR)
        except (sqlite3.Error, OSError) as error:
            self._settle(self._opened, error=Unavailable(f"{self._path} cannot be opened: {error}"))
            return
        self._settle(self._opened, result=None)
        batch: list[_Waiting] = []
        while batch := batch or self._next_batch():
            batch = self._commit_together(connection, batch)
            if batch or not self._waiting.empty():
                time.sleep(2 * _BUSY_SECONDS)  # another process that waits to write is first
        if self._writes:
            os.close(self._log)
        connection.close()

    def _next_batch(self) -> list[_Waiting]:
        """Waits for work, then takes all that has come meanwhile; empty means the end."""
        first = self._waiting.get()
        if first is None:
            return []
        batch = [first]
        while len(batch) < _BATCH_MAX:
            try:
                another = self._waiting.get_nowait()
            except queue.Empty:
                break
            if another is None:
                self._waiting.put(None)
                break
            batch.append(another)
        return batch

    def _lock_in_time(self, connection: sqlite3.Connection) -> None:
        """SQLite itself would wait up to 100 ms between two tries, and lose against a process that
        writes without a pause.
        """
        limit = time.monotonic() + self._timeout_seconds
        connection.execute("PRAGMA busy_timeout=0")
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > limit:
                    raise
                time.sleep(_BUSY_SECONDS)
        connection.execute(f"PRAGMA busy_timeout={round(self._timeout_seconds * 1000)}")

    def _commit_together(
        self, connection: sqlite3.Connection, batch: list[_Waiting]
    ) -> list[_Waiting]:
        """Returns what is left for the next transaction.

        The log is flushed when the lock is free again, so that other processes write meanwhile:
        they may read what a power cut would undo, but what they write upon it comes after it in the
        same log, and is on disk only if that is.
        """
        outcomes: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        try:
            self._begin(connection)
            full_at = time.monotonic() + _HELD_SECONDS
            for work, done in batch:
                if outcomes and time.monotonic() > full_at:
                    break
                if self._writes:
                    connection.execute("SAVEPOINT unit")
                try:
                    outcomes.append((done, work(connection), None))
                except sqlite3.OperationalError:
                    raise
                except Exception as error:
                    if self._writes:
                        connection.execute("ROLLBACK TO unit")
                    outcomes.append((done, None, error))
                if self._writes:
                    connection.execute("RELEASE unit")
            connection.execute("COMMIT")
            if self._writes:
                _flush(self._log)
        except (sqlite3.Error, OSError) as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            outcomes = [
                (done, None, Unavailable(f"{self._path.name}: {error}")) for _, done in batch
            ]
        self._loop.call_soon_threadsafe(_settle_all, outcomes)
        return batch[len(outcomes) :]

    def _settle(
        self, future: asyncio.Future[None], *, result: None = None, error: Exception | None = None
    ) -> None:
        outcome: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = [
            (future, result, error)
        ]
        self._loop.call_soon_threadsafe(_settle_all, outcome)


def _settle_all(outcomes: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, result, error in outcomes:
        if future.cancelled():
            continue
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


def _begin_reading(connection: sqlite3.Connection) -> None:
    """It takes no lock, so it waits for none."""
    connection.execute("BEGIN")
