"""Databases that exist only while an archive is verified.

Whoever works with one holds a lock of its name, which the server lets go when that process ends:
one whose lock is free was left behind, and is dropped by the next verification.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

from blocks.operations.backups.connections import Connection, connected
from blocks.operations.backups.errors import BackupFailed
from blocks.settings.operations.databases import Database

log = logging.getLogger(__name__)


@asynccontextmanager
async def scratch_database(server: Database, encoding: str, doing: str) -> AsyncIterator[Database]:
    """A new, empty database on this server, dropped at the end, whatever happened.

    Raises `BackupFailed`; a failure to drop it is logged only.
    """
    async with connected(server, doing) as connection:
        await drop_left_behind(connection, server)
        name = f"{_prefix(server)}{secrets.token_hex(4)}"
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK})", name)
        # Any server has the locale C, and it goes with any encoding.
        await connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' "
            "LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        try:
            yield server.named(name)
        finally:
            await asyncio.shield(_drop(server, name))


async def drop_left_behind(connection: Connection, server: Database) -> list[str]:
    """Names of the scratch databases that killed processes left on this server, now dropped."""
    dropped = []
    for row in await connection.fetch(_LIKE, _prefix(server).replace("_", r"\_") + "%"):
        if await connection.fetchval(f"SELECT pg_try_advisory_lock({_LOCK})", row[0]):
            await connection.execute(f'DROP DATABASE IF EXISTS "{row[0]}" WITH (FORCE)')
            await connection.execute(f"SELECT pg_advisory_unlock({_LOCK})", row[0])
            dropped.append(row[0])
            log.warning("the scratch database %s was left behind, and is dropped", row[0])
    return dropped


async def _drop(server: Database, name: str) -> None:
    """On a connection of its own: the other one may be lost."""
    try:
        async with connected(server, f"dropping the scratch database {name}") as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    except BackupFailed as error:
        log.warning("%s; the next verification drops it", error)


def _prefix(server: Database) -> str:
    """Locks of sessions count within the database to which they are connected, so its name is part
    of those of scratch databases.
    """
    return f"backup_check_{sha256(server.name.encode()).hexdigest()[:8]}_"


_LOCK = "hashtextextended($1, 1)"
_LIKE = "SELECT datname FROM pg_database WHERE datname LIKE $1 ORDER BY 1"
