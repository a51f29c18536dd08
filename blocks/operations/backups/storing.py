"""A backup from its beginning to its proof."""

import asyncio

from blocks.operations.backups.catalogue import (
    Evidence,
    archive_key,
    read_evidence,
    write_manifest,
)
from blocks.operations.backups.connections import sole_backup
from blocks.operations.backups.dumping import dump
from blocks.operations.backups.manifest import Manifest
from blocks.operations.backups.place import Place
from blocks.operations.backups.verification import verify
from blocks.operations.backups.work_folder import archive_in, clean_work, work_folder
from blocks.processes import fault_points
from blocks.settings.operations.databases import Database


async def create(place: Place, database: Database, name: str) -> Manifest:
    """The archive of this name lies in the work folder. Raises `BackupFailed`."""
    async with sole_backup(database):
        await asyncio.to_thread(clean_work, place.work, database.name, keep=name)
        return await dump(place, database, name)


async def store(place: Place, database: Database, name: str) -> Evidence:
    """The backup of this name is in the store, and verified there.

    An archive that is not in the work folder any more is made again. One that is verified is left
    as it is. Raises `BackupFailed`, `FilesUnavailable`.
    """
    async with sole_backup(database):
        if (proven := await read_evidence(place.files, name)) and proven.is_proof:
            return proven
        manifest = await dump(place, database, name)
        await _upload(place, manifest)
        evidence = await verify(place, name)
        fault_points.reached("backup-verified")
        await asyncio.to_thread(clean_work, place.work, database.name)
        return evidence


async def _upload(place: Place, manifest: Manifest) -> None:
    place.report(f"{manifest.database}: uploading {manifest.bytes / 1e6:,.1f} MB")
    key, limit = archive_key(manifest.name), place.part.limit_seconds
    with work_folder(place.work, manifest.name, f"the upload of {manifest.name}") as folder:
        await write_manifest(place.files, manifest)
        fault_points.reached("backup-described")
        await place.files.upload(archive_in(folder), key, seconds=limit)
        fault_points.reached("backup-uploaded")
