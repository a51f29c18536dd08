"""Connections to the PostgreSQL servers of the databases that are backed up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from blocks.operations.backups.errors import BackupFailed, failed
from blocks.settings.operations.databases import Database

CONNECT_SECONDS = 10.0
QUERY_SECONDS = 60.0
APPLICATION = "workflow-orchestrator backup"
"""As `pg_stat_activity` names our sessions."""

Connection = Any  # asyncpg has no types

# Limits of a server or a role would end a long count, and the transaction that holds a snapshot.
_SESSION = {
    "application_name": APPLICATION,
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "60s",
}


@asynccontextmanager
async def connected(
    database: Database, doing: str, seconds: float = QUERY_SECONDS
) -> AsyncIterator[Connection]:
    """A connection that lasts as long as the block. `doing` is what it is for, in errors; `seconds`
    what one query may take.

    Raises `BackupFailed`, also for what the block's queries raise.
    """
    try:
        connection = await asyncpg.connect(
            database.url,
            timeout=CONNECT_SECONDS,
            command_timeout=seconds,
            server_settings=_SESSION,
        )
    except (TimeoutError, OSError) as error:
        reason = str(error) or f"no answer within {CONNECT_SECONDS:g} s"
        raise failed(doing, f"could not connect: {reason}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise failed(doing, _words(error)) from error
    try:
        yield connection
    except TimeoutError as error:
        raise BackupFailed(
            f"{doing} failed: a query took longer than {seconds:g} s: set BACKUP_LIMIT_SECONDS "
            "higher if it needs longer"
        ) from error
    except ConnectionError as error:
        raise failed(doing, f"lost the connection: {error}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise failed(doing, _words(error)) from error
    finally:
        await _close(connection)


def _words(error: Exception) -> str:
    return f"{error} ({error.sqlstate})" if isinstance(error, asyncpg.PostgresError) else str(error)


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError):
        connection.terminate()


async def server_version(connection: Connection) -> str:
    """As `15.18`."""
    shown: str = await connection.fetchval("SHOW server_version")
    return shown.split()[0]


@asynccontextmanager
async def sole_backup(database: Database) -> AsyncIterator[None]:
    """While this lasts, no other process uploads, verifies or deletes backups of this database.

    The server lets go of the lock when the connection ends, also that of a killed process. Raises
    `BackupFailed` at once when another has it.
    """
    doing = f"backing up {database}"
    async with connected(database, doing) as connection:
        if not await connection.fetchval(f"SELECT pg_try_advisory_lock({_LOCK})"):
            raise BackupFailed(f"{doing} is under way in another process: wait until it has ended")
        yield


_LOCK = "hashtextextended('workflow-orchestrator backup', 0)"
