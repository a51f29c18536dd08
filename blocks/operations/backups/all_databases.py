"""The steps of the flow `database-backup`: each over all configured databases.

One database that fails leaves the others alone: their backups are made, and then the step of the
verification fails with the reasons.
"""

from collections.abc import Mapping, Sequence

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.observability.redaction import masked_url
from blocks.operations.backups.catalogue import (
    Evidence,
    backup_name,
    database_of,
    read_manifest,
)
from blocks.operations.backups.errors import BackupFailed
from blocks.operations.backups.manifest import Manifest
from blocks.operations.backups.place import Place
from blocks.operations.backups.retention import clean
from blocks.operations.backups.storing import create, store
from blocks.ports import Unavailable

_FAILURES = (BackupFailed, Unavailable)

_COMPARED_MAX = 200
"""So many tables are named in the figures of a step: they are one record."""


async def create_all(place: Place) -> JsonObject:
    """An archive of each database lies in the work folder; `backups` has all names, also of those
    that `store_all` has to try again. Raises `BackupFailed` if every one failed.
    """
    names, sizes, failed = [], [], {}
    for database in place.databases:
        names.append(backup_name(database.name, utc_now()))
        try:
            sizes.append((await create(place, database, names[-1])).bytes)
        except _FAILURES as error:
            failed[database.name] = str(error)
    if not sizes:
        raise _failure(failed, place)
    return {
        "backupId": f"backup_{round(utc_now().timestamp() * 1000)}",
        "databases": [database.name for database in place.databases],
        "backups": names,
        "bytes": sum(sizes),
        "failed": failed,
    }


async def store_all(place: Place, names: Sequence[str]) -> JsonObject:
    """The backups of these names are in the store, and verified; `compared` names their tables.
    Raises `BackupFailed` if one is not, when all others are.
    """
    proofs, compared, failed = list[Evidence](), list[JsonObject](), dict[str, str]()
    for name in names:
        try:
            proofs.append(await store(place, place.database(database_of(name)), name))
            compared += _compared(await read_manifest(place.files, name))
        except _FAILURES as error:
            failed[name] = str(error)
    if failed:
        raise _failure(failed, place)
    return {
        "uploaded": len(proofs),
        "storageLocation": masked_url(place.part.url),
        "retentionDays": place.part.daily_days,
        "verified": [proof.name for proof in proofs],
        "tables": sum(proof.tables for proof in proofs),
        "rows": sum(proof.rows for proof in proofs),
        "verificationSeconds": sum(proof.seconds for proof in proofs),
        "compared": compared[:_COMPARED_MAX],
    }


async def clean_all(place: Place) -> JsonObject:
    """Backups of all databases that are too old, and what killed runs left, are gone. Raises
    `BackupFailed`.
    """
    expired, left, failed = [], [], {}
    for database in place.databases:
        try:
            cleaned = await clean(place, database)
        except _FAILURES as error:
            failed[database.name] = str(error)
        else:
            expired += cleaned.expired
            left += cleaned.left_behind
    if failed:
        raise _failure(failed, place)
    part = place.part
    return {
        "cleanedUp": len(expired) + len(left),
        "retentionPolicy": f"{part.daily_days:g} days daily, {part.weekly_days:g} days weekly",
        "expired": expired,
        "leftBehind": left,
    }


def _compared(manifest: Manifest) -> list[JsonObject]:
    """Each table of a backup that was verified, the largest first: both have as many rows."""
    largest = sorted(manifest.rows.items(), key=lambda one: one[1], reverse=True)
    return [
        {"backup": manifest.name, "table": table, "rows": rows, "restored": rows}
        for table, rows in largest
    ]


def _failure(failed: Mapping[str, str], place: Place) -> BackupFailed:
    count = f"{len(failed)} of {len(place.databases)} databases: "
    return BackupFailed((count if len(place.databases) > 1 else "") + "; ".join(failed.values()))
