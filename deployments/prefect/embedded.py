"""`python -m deployments.prefect.embedded server start` is `prefect server start` that logs as our
processes do, on a SQLite that queues its writers; on another database, nothing differs.

Prefect opens its transactions DEFERRED and reads before it writes. When another connection commits
in between, SQLite refuses the write at once (SQLITE_BUSY_SNAPSHOT, no timeout applies), the server
answers 503 and the client sleeps 2, 4, 8 … s. IMMEDIATE takes the write lock first and waits for
it. 100 flow runs created, eight at a time, while a worker ran them, two cores: 95 refusals and 2
runs/s become none and 6 runs/s.
"""

import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, redirect_stdout
from io import TextIOBase
from typing import Any

import uvicorn.config
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from blocks.prefect_internals.server import IN_MEMORY, use_middleware_in_place_of_cors
from blocks.settings.auth import words
from deployments.prefect.loopback_only import LoopbackOnly

HOSTS = "ORCHESTRATOR_PREFECT_HOSTS"
"""Names, separated by commas, by which programs on a private network reach this server; none: this
machine's own.
"""


class QueueingSqlite(AioSqliteConfiguration):
    """Prefect's SQLite, with every transaction a writer from its first moment. Plain reads open
    none.
    """

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncIterator[AsyncSessionTransaction]:
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


class GuardedCors(LoopbackOnly):
    """Prefect's CORS, and before it the guard: Prefect has no setting that adds a middleware."""

    def __init__(self, app: ASGIApp, **settings: Any) -> None:
        self._unguarded = CORSMiddleware(app, **settings)
        super().__init__(self._unguarded, words(os.environ.get(HOSTS, "")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An action of an automation calls from within this process, and comes in, too."""
        if (scope.get("server") or ("",))[0] == IN_MEMORY:
            await self._unguarded(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def main() -> None:
    """Prefect's own command line, in this process."""
    from prefect.cli import app

    use_middleware_in_place_of_cors(GuardedCors)

    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url.startswith("sqlite"):
        set_database_config(QueueingSqlite(url))
    # its records go to the root logger
    uvicorn.config.LOGGING_CONFIG.update(formatters={}, handlers={}, loggers={})
    with nullcontext() if sys.stdout.isatty() else redirect_stdout(LoggedLines()):
        app()


class LoggedLines(TextIOBase):
    """Where Prefect's command line prints to: each line is a record in the log."""

    def __init__(self) -> None:
        self._log = logging.getLogger("prefect.console")
        self._log.setLevel(logging.INFO)
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = f"{self._begun}{text}".split("\n")
        for line in filter(str.strip, lines):
            self._log.info("%s", line.rstrip())
        return len(text)


if __name__ == "__main__":
    main()
