"""What every part of a backup needs: the databases, the store of archives and the work folder."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from blocks.files import Files, open_files
from blocks.operations.backups.errors import BackupFailed
from blocks.operations.work import NotConfigured
from blocks.settings import Settings
from blocks.settings.operations import DatabaseBackup
from blocks.settings.operations.databases import Database, databases_of, scratch_server

log = logging.getLogger(__name__)

Report = Callable[[str], None]
"""Takes a line about what is being done now, as `uploading 12 MB`."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Lives as long as its process."""

    part: DatabaseBackup
    databases: tuple[Database, ...]
    scratch: Database | None
    files: Files
    work: Path
    report: Report = log.info

    def database(self, name: str) -> Database:
        """Raises `BackupFailed` for one that is not configured."""
        for database in self.databases:
            if database.name == name:
                return database
        names = ", ".join(database.name for database in self.databases)
        raise BackupFailed(f"no database {name} is configured: there are {names}")


def place_of(settings: Settings, report: Report = log.info) -> Place:
    """Nothing is reached yet. Raises `NotConfigured` if no database is."""
    part = settings.operations.database_backup
    databases = databases_of(part)
    if not databases:
        raise NotConfigured("no database is configured: set DATABASE_URL")
    return Place(
        part=part,
        databases=databases,
        scratch=scratch_server(part),
        files=open_files(part.url, "backups", settings.data_dir, setting="BACKUP_URL"),
        work=(Path(settings.data_dir) / part.work_folder).absolute(),
        report=report,
    )
