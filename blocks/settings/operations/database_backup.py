"""The settings of backups; docs/operations/database-backup.md."""

from typing import Annotated

import msgspec

from blocks.contracts.reading.limits import Days, Seconds
from blocks.settings.operations.schedule import Scheduled

Folder = Annotated[str, msgspec.Meta(min_length=1)]
Hours = Annotated[float, msgspec.Meta(gt=0, le=8_760)]


class DatabaseBackup(Scheduled, frozen=True, kw_only=True):
    database_url: str
    """`postgresql://user:password@host:5432/database`; empty: there is nothing to back up."""
    databases: str
    """Names of databases on that server, or whole URLs, separated by commas; empty: the one of
    `database_url`.
    """
    scratch_url: str
    """A database of the server on which archives are restored to verify them; empty: the server
    that each comes from.
    """
    url: Folder
    """Where archives lie: a folder (a relative one lies in `data_dir`), or what fsspec opens:
    `s3://bucket/prefix`, `abfs://container@account.dfs.core.windows.net/prefix`.
    """
    work_folder: Folder
    """Where archives are while they are made and verified; a relative one lies in `data_dir`."""
    programs_folder: str
    """Where `pg_dump` and `pg_restore` are; empty: on the PATH."""
    daily_days: Days
    """So long every verified backup is kept, and the newest one always."""
    weekly_days: Days
    """So long the newest verified backup of each week is kept."""
    limit_seconds: Seconds
    """So long each dump, transfer and restore may take."""
    late_hours: Hours
    """From this age on, the newest verified backup of a database counts as late."""

    def __repr__(self) -> str:
        return f"DatabaseBackup(cron={self.cron!r}, database_url='***', url={self.url!r})"
