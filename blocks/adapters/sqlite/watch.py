"""Notices, within some milliseconds, what other processes write to a SQLite file."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from blocks.ports import Unavailable

T = TypeVar("T")
Question = Callable[[sqlite3.Connection], T]

# An idle process that looks every 20 ms uses half a percent of a core; while there is traffic,
# milliseconds count.
_LOOK_EVERY_SECONDS = 0.02
_LOOK_OFTEN_SECONDS = 0.005
_LOOK_OFTEN_FOR_SECONDS = 1.0


class SqliteWatch:
    """Waits until a question about the file has an answer; lives as long as its `async with`.

    SQLite has no notification between processes, so this polls while there are waiters. A poll is
    one indexed read on a connection of its own, about 10 µs on the event loop; a reader of a WAL
    file waits for no writer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open_questions: dict[asyncio.Future[Any], Question[Any]] = {}
        self._next_look: asyncio.TimerHandle | None = None
        self._look_often_until = 0.0
        self._connection: sqlite3.Connection

    async def __aenter__(self) -> Self:
        self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        if self._next_look:
            self._next_look.cancel()
        for answer in self._open_questions:
            answer.cancel()
        self._connection.close()

    async def until(self, question: Question[T]) -> T:
        """The first answer that is not empty. Raises `Unavailable` when the file cannot be read."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._ask(question, answer)
        if not answer.done():
            self._open_questions[answer] = question
            self._schedule()
        try:
            return await answer
        finally:
            self._open_questions.pop(answer, None)

    def look(self) -> None:
        """All open questions are evaluated again, now; for callers that have just written."""
        for answer, question in list(self._open_questions.items()):
            if not answer.done():
                self._ask(question, answer)

    def _ask(self, question: Question[T], answer: asyncio.Future[T]) -> None:
        try:
            if found := question(self._connection):
                self._look_often_until = time.monotonic() + _LOOK_OFTEN_FOR_SECONDS
                answer.set_result(found)
        except sqlite3.Error as error:
            answer.set_exception(Unavailable(f"{self._path.name}: {error}"))

    def _schedule(self) -> None:
        if self._next_look is None:
            often = time.monotonic() < self._look_often_until
            pause = _LOOK_OFTEN_SECONDS if often else _LOOK_EVERY_SECONDS
            self._next_look = asyncio.get_running_loop().call_later(pause, self._look_again)

    def _look_again(self) -> None:
        self._next_look = None
        self.look()
        if self._open_questions:
            self._schedule()
