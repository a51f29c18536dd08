"""Which backups are kept, and the deletion of the others."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from blocks.clock import utc_now
from blocks.operations.backups.catalogue import Backup, backups, unfinished
from blocks.operations.backups.connections import sole_backup
from blocks.operations.backups.place import Place
from blocks.processes import fault_points
from blocks.settings.operations import DatabaseBackup
from blocks.settings.operations.databases import Database

log = logging.getLogger(__name__)


class Cleaned(msgspec.Struct, frozen=True, kw_only=True):
    """Names of backups: `expired` were verified, `left_behind` never."""

    expired: list[str]
    left_behind: list[str]


async def clean(place: Place, database: Database) -> Cleaned:
    """What is too old, and what killed runs left, is gone from the store. Raises `BackupFailed`,
    `FilesUnavailable`.
    """
    async with sole_backup(database):
        found = [backup async for backup in backups(place.files, database.name)]
        cleaned = cleanable(found, place.part, utc_now())
        going = {*cleaned.expired, *cleaned.left_behind}
        for backup in found:
            if backup.name in going:
                await _delete(place, backup)
        for key in await unfinished(place.files, database.name):
            await place.files.delete(key)
    return cleaned


def cleanable(found: Sequence[Backup], part: DatabaseBackup, now: datetime) -> Cleaned:
    """Of the backups of one database, those that may go. The newest verified one always stays, and
    so does all that is newer than it.
    """
    newest_first = sorted(found, key=lambda backup: backup.taken_at, reverse=True)
    verified = [backup for backup in newest_first if backup.is_verified]
    if not verified:
        return Cleaned(expired=[], left_behind=[])
    kept = _kept(verified, part, now)
    return Cleaned(
        expired=[backup.name for backup in verified if backup.name not in kept],
        left_behind=[
            backup.name
            for backup in newest_first
            if not backup.is_verified and backup.taken_at < verified[0].taken_at
        ],
    )


def _kept(newest_first: Sequence[Backup], part: DatabaseBackup, now: datetime) -> set[str]:
    kept, weeks = {newest_first[0].name}, set()
    for backup in newest_first:
        age, week = now - backup.taken_at, backup.taken_at.isocalendar()[:2]
        is_of_the_week = week not in weeks
        weeks.add(week)
        limit = part.weekly_days if is_of_the_week else part.daily_days
        if age <= timedelta(days=max(limit, part.daily_days)):
            kept.add(backup.name)
    return kept


async def _delete(place: Place, backup: Backup) -> None:
    for key in backup.keys:
        await place.files.delete(key)
        fault_points.reached("backup-deleting")
    log.info("backup %s is deleted", backup.name)
