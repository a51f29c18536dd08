"""The settings of the security audit; docs/operations/security-audit.md."""

from typing import Annotated

import msgspec

from blocks.contracts.reading.limits import AtLeastOne, Days
from blocks.settings.operations.schedule import Scheduled

Folder = Annotated[str, msgspec.Meta(min_length=1)]
DaysOrNone = Annotated[float, msgspec.Meta(ge=0, le=3_650)]


class SecurityAudit(Scheduled, frozen=True, kw_only=True):
    """Lists are separated by commas, patterns are absolute."""

    advisories: str
    """Known vulnerabilities in OSV form: a folder or a file (JSON, or a zip of such); empty: none.
    """
    advisories_url: str
    """Base URL of a service with OSV's API, asked about each package; empty: none."""
    lock_files: str
    """Whose packages are looked up; empty: the packages that this installation runs."""
    paths: str
    """Files and folders, with all below them, that not every user may write."""
    secrets: str
    """Files, or folders of such, that no other user may read and their group may not write."""
    owners: str
    """Users to whom all of these may belong, beside root and this process's own."""
    database_url: str
    """`postgresql://user:password@host:5432/database`: the server whose roles are checked."""
    superusers: str
    """Roles of that server which may be superusers."""
    certificates: str
    """Certificates: PEM files as patterns, and `host:port` where one is shown."""
    expiry_days: Days
    """What expires within so long is reported: API keys, certificates, secrets, passwords."""
    secret_days: DaysOrNone
    """So long after it was written a secret's file is to be replaced; 0: never."""
    refusals_max: AtLeastOne
    """More refused requests of one sender within a day are suspicious."""
    failed_logins_max: AtLeastOne
    """More failed logins from one address within a day are suspicious."""
    reports_url: Folder
    """Where reports lie: a folder (a relative one lies in `data_dir`), or what fsspec opens."""
    reports_kept_days: Days
    """So long a report is kept, and the newest one always."""
    reports_kept: AtLeastOne
    """So many reports are kept at most: beyond that the oldest are deleted."""

    def __repr__(self) -> str:
        return f"SecurityAudit(cron={self.cron!r}, database_url='***')"
