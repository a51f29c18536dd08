"""A connection to a PostgreSQL server, for operations that read its catalogues and act on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from blocks.settings.operations.databases import Database

CONNECT_SECONDS = 10.0
QUERY_SECONDS = 30.0

Connection = Any  # asyncpg has no types


class DatabaseFailed(Exception):
    """The server could not be reached, or did not do what it was asked."""


@asynccontextmanager
async def connected(
    database: Database, *, application: str, seconds: float = QUERY_SECONDS
) -> AsyncIterator[Connection]:
    """A connection that lasts as long as the block; `seconds`: of each query.

    `application` is how the server's `pg_stat_activity` names it. Raises `DatabaseFailed`, also for
    what the block's queries raise.
    """
    try:
        connection = await asyncpg.connect(
            database.url,
            timeout=CONNECT_SECONDS,
            command_timeout=seconds,
            server_settings={"application_name": f"workflow-orchestrator {application}"},
        )
    except TimeoutError as error:
        raise DatabaseFailed(f"{database} did not answer in {CONNECT_SECONDS:g} s") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseFailed(f"{database} could not be reached: {error}") from error
    try:
        yield connection
    except TimeoutError as error:
        raise DatabaseFailed(f"{database}: a query took longer than {seconds:g} s") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseFailed(f"{database}: {error}") from error
    finally:
        # What the server still does for us ends with the connection.
        connection.terminate()
