"""What can go wrong with a backup: one line each, with what to do about it."""

import re


class BackupFailed(Exception):
    """A backup, its verification or a restore was not done; the message says why and what to do."""


class NotVerified(BackupFailed):
    """The archive is not proven: its restored copy differs, or nothing proves it."""


class Refused(BackupFailed):
    """What was asked for could destroy data, and was not done."""


_URLS = "DATABASE_URL or BACKUP_DATABASES"

# By the SQLSTATE where the server gives one, whose words may be in another language.
_REMEDIES = (
    (
        r"28P01|28000|password authentication failed|no password supplied",
        f"correct the user and password in {_URLS}",
    ),
    (r"3D000|database \".*\" does not exist", f"correct the database's name in {_URLS}"),
    (
        r"permission denied to create database",
        "grant the user CREATEDB, or set BACKUP_SCRATCH_URL to a server where it may",
    ),
    (
        r"row-level security",
        "give the user BYPASSRLS: with row-level security a backup would miss rows",
    ),
    (
        r"42501|permission denied for|must be owner",
        "grant the user the role pg_read_all_data to back up; to restore, use the owner",
    ),
    (
        r"role \".*\" does not exist",
        "create the role, or restore without owners (--without-owners)",
    ),
    (
        r"53100|No space left on device|disk full",
        "free space there; BACKUP_WORK_FOLDER chooses where archives are made",
    ),
    (r"53300|too many connections|too many clients", "allow more connections, or try later"),
    (
        r"55P03|lock timeout|could not obtain lock|canceling statement due to lock",
        "another session holds a table for itself, as ALTER TABLE does: try when it has ended",
    ),
    (
        r"server version mismatch",
        "install the client programs of the server's version and set BACKUP_PROGRAMS_FOLDER",
    ),
    (
        r"57P0\d|refused|connect|resolve|translate host name|not known|terminat|starting up|"
        r"shutting down|closed|reset|unreachable|SSL",
        f"check that PostgreSQL runs and that {_URLS} lead to it",
    ),
    (
        r"permission denied|not permitted|read-only",
        "let this user write there, or set BACKUP_WORK_FOLDER",
    ),
)


def failed(what: str, why: str) -> BackupFailed:
    """`what` names what was being done; a known cause gets its remedy."""
    reason = " ".join(why.split()) or "no reason was given"
    known = (remedy for pattern, remedy in _REMEDIES if re.search(pattern, reason, re.I))
    remedy = next(known, None)
    return BackupFailed(f"{what} failed: {reason}" + (f": {remedy}" if remedy else ""))
