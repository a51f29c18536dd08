"""What a database held when its archive was made: tables with their rows."""

from collections.abc import Mapping
from datetime import datetime

from blocks.contracts.reading.normalised import Normalised
from blocks.operations.backups.connections import Connection

LARGE_OBJECTS = "large objects"
"""Counted beside the tables."""

_DIFFERENCES_MAX = 100


class Manifest(Normalised, frozen=True, kw_only=True, rename="camel"):
    """Taken in the snapshot that the archive shows. `rows` by `schema.table`, quoted as in SQL."""

    name: str
    database: str
    taken_at: datetime
    server_version: str
    program_version: str
    encoding: str
    collate: str
    ctype: str
    bytes: int
    sha256: str
    """Of the archive."""
    rows: Mapping[str, int]


def differences(archived: Mapping[str, int], restored: Mapping[str, int]) -> list[str]:
    """One line each, the first hundred."""
    found = []
    for table in sorted({*archived, *restored}):
        if table not in restored:
            found.append(f"{table} is missing")
        elif table not in archived:
            found.append(f"{table} is there and was not in the database")
        elif archived[table] != restored[table]:
            found.append(f"{table} has {restored[table]} rows instead of {archived[table]}")
    return found[:_DIFFERENCES_MAX]


async def tables_of(connection: Connection) -> list[str]:
    """The tables whose rows an archive holds: not the system's, nor those that extensions make."""
    return [row[0] for row in await connection.fetch(_TABLES)]


async def rows_of(connection: Connection, tables: list[str]) -> dict[str, int]:
    """Each table's rows as this connection's transaction sees them."""
    # Names come from the server's own format('%I.%I'), which quotes them.
    counted = {
        table: await connection.fetchval(f"SELECT count(*) FROM ONLY {table}") for table in tables
    }
    return counted | {LARGE_OBJECTS: await connection.fetchval(_COUNT_LARGE_OBJECTS)}


_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY 1
"""

_COUNT_LARGE_OBJECTS = "SELECT count(*) FROM pg_largeobject_metadata"
