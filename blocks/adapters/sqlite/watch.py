"""Notices, within some milliseconds, what other processes write to a SQLite file."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from blocks.adapters.sqlite.file_changes import FileChanges
from blocks.ports import Unavailable

T = TypeVar("T")
Question = Callable[[sqlite3.Connection], T]

_GAP_SECONDS = 0.005
"""Before a look that a write causes, since the last one: what comes together is taken together."""

_AGAIN_SECONDS = 0.001
"""When all was quiet, after a notice that came before its commit could be read; then twice as long
each time.
"""

_UNNOTICED_SECONDS = 0.02
"""Where the system gives no notice. An idle process that looks so often uses half a percent of a
core.
"""

_DUE_SECONDS = 0.25
"""For what is not written but becomes due, and should a notice be missing."""


class SqliteWatch:
    """Waits until a question about the file has an answer; lives as long as its `async with`.

    It looks when the write-ahead log was written to. A writer's notice may come before its commit
    can be read, so it looks again, and less and less often while nothing more is written. A look is
    one indexed read on a connection of its own, about 10 µs on the event loop; a reader of a WAL
    file waits for no writer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes = FileChanges(path.with_name(f"{path.name}-wal"), self._look_soon)
        self._open_questions: dict[asyncio.Future[Any], Question[Any]] = {}
        self._next_look: asyncio.TimerHandle | None = None
        self._looked_at = 0.0
        self._pause = _GAP_SECONDS
        self._connection: sqlite3.Connection

    async def __aenter__(self) -> Self:
        self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        self._changes.open()
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        self._changes.close()
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
            self._changes.listen()
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
                self._pause = _GAP_SECONDS
                answer.set_result(found)
        except sqlite3.Error as error:
            answer.set_exception(Unavailable(f"{self._path.name}: {error}"))

    def _schedule(self) -> None:
        if self._next_look is None:
            self._next_look = asyncio.get_running_loop().call_later(self._pause, self._look_again)

    def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        self._next_look, self._looked_at = None, loop.time()
        self._changes.listen()
        longest = _DUE_SECONDS if self._changes.are_noticed else _UNNOTICED_SECONDS
        self.look()
        if self._open_questions:
            self._schedule()
        self._pause = min(2 * self._pause, longest)

    def _look_soon(self) -> None:
        """The next look comes as soon as the gap allows."""
        self._pause = _AGAIN_SECONDS if self._pause > _UNNOTICED_SECONDS else _GAP_SECONDS
        if not self._open_questions:
            return
        loop = asyncio.get_running_loop()
        at = max(self._looked_at + _GAP_SECONDS, loop.time())
        if self._next_look is None or self._next_look.when() > at:
            if self._next_look:
                self._next_look.cancel()
            self._next_look = loop.call_at(at, self._look_again)
