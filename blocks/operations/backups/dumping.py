"""The archive of a database, made in the work folder."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from blocks.clock import utc_now
from blocks.operations.backups.connections import Connection, connected, server_version
from blocks.operations.backups.manifest import Manifest, rows_of, tables_of
from blocks.operations.backups.place import Place
from blocks.operations.backups.programs import check_version, run
from blocks.operations.backups.work_folder import archive_in, manifest_in, work_folder
from blocks.processes import fault_points
from blocks.settings.operations.databases import Database


async def dump(place: Place, database: Database, name: str) -> Manifest:
    """The archive lies in the work folder, beside the manifest of what it holds.

    Both are of one snapshot. What is there under this name is made no second time. Raises
    `BackupFailed`.
    """
    doing = f"the dump of {database}"
    with work_folder(place.work, name, doing) as folder:
        if there := _made_before(folder):
            return there
        manifest = await _dumped(place, database, name, folder, doing)
        fault_points.reached("backup-dumped")
        manifest = msgspec.structs.replace(
            manifest,
            bytes=archive_in(folder).stat().st_size,
            sha256=await sha256_of(archive_in(folder)),
        )
        _finish(folder, manifest)
    return manifest


async def _dumped(
    place: Place, database: Database, name: str, folder: Path, doing: str
) -> Manifest:
    """The manifest as far as it is of the database."""
    async with (
        connected(database, doing, place.part.limit_seconds) as connection,
        _snapshot(connection) as snapshot,
    ):
        version = await server_version(connection)
        program = await check_version(place.part, "pg_dump", version)
        taken_at, tables = utc_now(), await tables_of(connection)
        place.report(f"{database.name}: counting the rows of {len(tables)} tables")
        await _hold(connection, tables)
        rows = await rows_of(connection, tables)
        encoding, collate, ctype = await connection.fetchrow(_LOCALE)
        place.report(f"{database.name}: dumping")
        made = ["--format=custom", f"--snapshot={snapshot}", f"--file={archive_in(folder)}"]
        await run(place.part, "pg_dump", [*_ALWAYS, *made], database, doing)
    return Manifest(
        name=name,
        database=database.name,
        taken_at=taken_at,
        server_version=version,
        program_version=program,
        encoding=encoding,
        collate=collate,
        ctype=ctype,
        bytes=0,
        sha256="",
        rows=rows,
    )


async def sha256_of(path: Path) -> str:
    """In hexadecimal digits."""

    def digest() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return await asyncio.to_thread(digest)


@asynccontextmanager
async def _snapshot(connection: Connection) -> AsyncIterator[str]:
    """The id of the snapshot in which this connection reads while the block lasts."""
    # With row-level security in force, queries fail instead of leaving rows out, as in pg_dump.
    await connection.execute("SET row_security = off")
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        yield await connection.fetchval("SELECT pg_export_snapshot()")


async def _hold(connection: Connection, tables: list[str]) -> None:
    """No table is truncated between counting and dumping, which a snapshot does not show."""
    for table in tables:
        await connection.execute(f"LOCK TABLE ONLY {table} IN ACCESS SHARE MODE")


def _made_before(folder: Path) -> Manifest | None:
    try:
        return msgspec.json.decode(manifest_in(folder).read_bytes(), type=Manifest)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _finish(folder: Path, manifest: Manifest) -> None:
    """The manifest gets its name last: an archive beside it is complete."""
    unfinished = manifest_in(folder).with_suffix(".unfinished")
    unfinished.write_bytes(msgspec.json.encode(manifest))
    unfinished.replace(manifest_in(folder))


_ALWAYS = ("--no-password", "--lock-wait-timeout=60s")

_LOCALE = """
SELECT pg_encoding_to_char(encoding), datcollate, datctype
FROM pg_database WHERE datname = current_database()
"""
