"""The proof that an archive can be restored: what lies in the store, restored into a scratch
database and compared with its manifest.
"""

from pathlib import Path
from time import monotonic

from blocks.clock import utc_now
from blocks.files import FileMissing
from blocks.operations.backups.catalogue import (
    Evidence,
    archive_key,
    read_manifest,
    write_evidence,
)
from blocks.operations.backups.connections import connected, server_version
from blocks.operations.backups.dumping import sha256_of
from blocks.operations.backups.errors import BackupFailed, NotVerified
from blocks.operations.backups.manifest import (
    LARGE_OBJECTS,
    Manifest,
    differences,
    rows_of,
    tables_of,
)
from blocks.operations.backups.place import Place
from blocks.operations.backups.programs import check_version, run
from blocks.operations.backups.scratch import scratch_database
from blocks.operations.backups.work_folder import close_work, downloaded_in, work_folder
from blocks.processes import fault_points
from blocks.settings.operations.databases import Database


async def verify(place: Place, name: str) -> Evidence:
    """The evidence that the archive in the store restores to what its manifest names, stored beside
    it.

    Raises `NotVerified` when the archive or its restored copy differs; the stored evidence says
    how. Raises `BackupFailed` or `FilesUnavailable` when it could not be tried: earlier evidence
    then stays as it was.
    """
    began, manifest = monotonic(), await read_manifest(place.files, name)
    server = place.scratch or place.database(manifest.database)
    doing = f"the verification of {name}"
    with work_folder(place.work, f"{name}.verify", doing) as folder:
        try:
            place.report(f"{manifest.database}: downloading what was uploaded")
            archive = await fetch(place, name, folder)
            version, rows, found = await _compare(place, manifest, server, archive)
        finally:
            close_work(folder)
    evidence = Evidence(
        name=name,
        database=manifest.database,
        taken_at=manifest.taken_at,
        bytes=manifest.bytes,
        sha256=manifest.sha256,
        verified_at=utc_now(),
        server_version=version,
        seconds=round(monotonic() - began, 1),
        tables=len(rows.keys() - {LARGE_OBJECTS}),
        rows=sum(rows.values()),
        differences=found,
    )
    fault_points.reached("backup-compared")
    await write_evidence(place.files, evidence)
    if not evidence.is_proof:
        raise NotVerified(f"{name} is not verified: {'; '.join(found[:3])}")
    return evidence


async def fetch(place: Place, name: str, folder: Path) -> Path:
    """The archive as it lies in the store. Raises `BackupFailed`, `FilesUnavailable`."""
    path = downloaded_in(folder)
    path.unlink(missing_ok=True)
    try:
        limit = place.part.limit_seconds
        await place.files.download(archive_key(name), path, seconds=limit)
    except FileMissing:
        raise BackupFailed(f"the archive of {name} is not in the store") from None
    return path


async def _compare(
    place: Place, manifest: Manifest, server: Database, archive: Path
) -> tuple[str, dict[str, int], list[str]]:
    """The server's version, what the restored copy holds, and how it differs from the manifest."""
    doing = f"the verification of {manifest.name}"
    async with connected(server, doing) as connection:
        version = await server_version(connection)
    if await sha256_of(archive) != manifest.sha256:
        return version, {}, ["the archive's SHA-256 is not that of the manifest"]
    await check_version(place.part, "pg_restore", version)
    place.report(f"{manifest.database}: restoring into a scratch database")
    async with scratch_database(server, manifest.encoding, doing) as scratch:
        await run(
            place.part,
            "pg_restore",
            [*_RESTORE, f"--dbname={scratch.name}", str(archive)],
            scratch,
            doing,
        )
        fault_points.reached("backup-restored")
        place.report(f"{manifest.database}: comparing")
        async with connected(scratch, doing, place.part.limit_seconds) as connection:
            rows = await rows_of(connection, await tables_of(connection))
    return version, rows, differences(manifest.rows, rows)


# Roles of the database need not exist where it is verified.
_RESTORE = (
    "--no-password",
    "--exit-on-error",
    "--no-owner",
    "--no-privileges",
    "--no-comments",
)
