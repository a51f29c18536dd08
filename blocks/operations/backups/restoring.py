"""The way back: a verified archive, restored into a database."""

from pathlib import Path

import asyncpg
import msgspec

from blocks.operations.backups.catalogue import Evidence, database_of, read_evidence, read_manifest
from blocks.operations.backups.connections import connected, server_version
from blocks.operations.backups.dumping import sha256_of
from blocks.operations.backups.errors import BackupFailed, NotVerified, Refused
from blocks.operations.backups.manifest import (
    LARGE_OBJECTS,
    Manifest,
    differences,
    rows_of,
    tables_of,
)
from blocks.operations.backups.place import Place
from blocks.operations.backups.programs import check_version, run
from blocks.operations.backups.verification import fetch
from blocks.operations.backups.work_folder import close_work, work_folder
from blocks.settings.operations.databases import Database


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """`differences` from the manifest: what was in the database besides, if it was not empty."""

    name: str
    database: Database
    tables: int
    rows: int
    differences: list[str]


async def restore(
    place: Place, name: str, into: str | None = None, *, replace: bool, owners: bool
) -> Restored:
    """The database holds what the backup holds; all of it, or it is as it was before.

    `into` is a database of the same server, by default the one that was backed up; one that does
    not exist is created. With `replace`, what the backup and the database both have is replaced,
    and what only the database has stays. With `owners`, roles own and may use what they did.

    Raises `NotVerified` for an archive without proof or other than proven, `Refused` for a database
    that is not empty, without `replace`, and `BackupFailed`, `FilesUnavailable`.
    """
    evidence = await _proof(place, name)
    manifest = await read_manifest(place.files, name)
    source = place.database(database_of(name))
    target, doing = source.named(into or source.name), f"the restore of {name}"
    exists = await _exists(place, target, doing)
    if exists and not replace:
        await _check_empty(target, doing)
    with work_folder(place.work, f"{name}.restore", doing) as folder:
        try:
            place.report(f"downloading {evidence.bytes / 1e6:,.1f} MB")
            archive = await _proven(await fetch(place, name, folder), evidence)
            if not exists:
                await _create(place, target, manifest, doing)
            place.report(f"restoring into {target}")
            options = [*_options(replace=replace, owners=owners), f"--dbname={target.name}"]
            await run(place.part, "pg_restore", [*options, str(archive)], target, doing)
        finally:
            close_work(folder)
    async with connected(target, doing, place.part.limit_seconds) as connection:
        rows = await rows_of(connection, await tables_of(connection))
    return Restored(
        name=name,
        database=target,
        tables=len(rows.keys() - {LARGE_OBJECTS}),
        rows=sum(rows.values()),
        differences=differences(manifest.rows, rows),
    )


async def _proof(place: Place, name: str) -> Evidence:
    evidence = await read_evidence(place.files, name)
    if evidence is None:
        raise NotVerified(
            f"{name} was never verified, and is not restored: `orchestrator ops backup verify "
            f"{name}` verifies it, `orchestrator ops backup list` shows what is verified"
        )
    if not evidence.is_proof:
        raise NotVerified(
            f"{name} is not restored: when it was verified, {'; '.join(evidence.differences[:3])}"
        )
    return evidence


async def _proven(archive: Path, evidence: Evidence) -> Path:
    if await sha256_of(archive) != evidence.sha256:
        raise NotVerified(
            f"{evidence.name} is not restored: its archive was changed since it was verified "
            "(SHA-256 differs); restore another one"
        )
    return archive


async def _exists(place: Place, target: Database, doing: str) -> bool:
    try:
        async with connected(target, doing) as connection:
            await check_version(place.part, "pg_restore", await server_version(connection))
            return True
    except BackupFailed as error:
        if isinstance(error.__cause__, asyncpg.InvalidCatalogNameError):
            return False
        raise


async def _check_empty(target: Database, doing: str) -> None:
    async with connected(target, doing) as connection:
        there = await connection.fetchval(_ANYTHING)
    if there:
        raise Refused(
            f"{target} is not empty (it has {there}): restore --into another database, or "
            "--replace what it has"
        )


async def _create(place: Place, target: Database, manifest: Manifest, doing: str) -> None:
    async with connected(target.named(_MAINTENANCE), doing) as connection:
        await check_version(place.part, "pg_restore", await server_version(connection))
        await connection.execute(
            f"CREATE DATABASE \"{target.name}\" TEMPLATE template0 ENCODING '{manifest.encoding}' "
            f"LC_COLLATE {_quoted(manifest.collate)} LC_CTYPE {_quoted(manifest.ctype)}"
        )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _options(*, replace: bool, owners: bool) -> list[str]:
    chosen = [*_ALWAYS]
    if replace:
        chosen += ["--clean", "--if-exists"]
    if not owners:
        chosen += ["--no-owner", "--no-privileges"]
    return chosen


_ALWAYS = ("--no-password", "--exit-on-error", "--single-transaction")
_MAINTENANCE = "postgres"

_ANYTHING = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY c.relkind <> 'r', 1 LIMIT 1
"""
