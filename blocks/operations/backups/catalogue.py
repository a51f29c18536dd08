"""The archives in the store: their names, and what is known of each.

`<database>/<name>.dump` is an archive, `<name>.manifest.json` what it holds, `<name>.evidence.json`
the proof that it can be restored, written last: an archive without it counts as unverified.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec

from blocks.contracts.reading.normalised import Normalised
from blocks.files import FileMissing, Files, key_of_unfinished
from blocks.operations.backups.errors import BackupFailed
from blocks.operations.backups.manifest import Manifest

_NAME = re.compile(r"(?P<database>.+)-(?P<moment>\d{8}_\d{6})")
_MOMENT = "%Y%m%d_%H%M%S"
_ARCHIVE, _MANIFEST, _EVIDENCE = ".dump", ".manifest.json", ".evidence.json"
_ENDINGS = (_EVIDENCE, _ARCHIVE, _MANIFEST)
"""In the order of deletion: what loses its proof first never counts as verified again."""


class Evidence(Normalised, frozen=True, kw_only=True, rename="camel"):
    """How the restored copy of an archive compared with its manifest."""

    name: str
    database: str
    taken_at: datetime
    bytes: int
    sha256: str
    verified_at: datetime
    server_version: str
    """Of the server on which it was restored."""
    seconds: float
    tables: int
    rows: int
    differences: list[str]
    """One line each; none: the archive is verified."""

    @property
    def is_proof(self) -> bool:
        return not self.differences


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in the store under one name."""

    name: str
    database: str
    taken_at: datetime
    keys: tuple[str, ...]
    """Of all that there is, in the order in which it is to be deleted."""
    evidence: Evidence | None

    @property
    def is_verified(self) -> bool:
        has_archive = archive_key(self.name) in self.keys
        return has_archive and self.evidence is not None and self.evidence.is_proof


def backup_name(database: str, taken_at: datetime) -> str:
    """`<database>-YYYYMMDD_HHMMSS`, in UTC."""
    return f"{database}-{taken_at.astimezone(UTC):{_MOMENT}}"


def database_of(name: str) -> str:
    """Raises `BackupFailed` for what is no name of a backup."""
    if found := _NAME.fullmatch(name):
        return found["database"]
    raise BackupFailed(f"{name!r} is no name of a backup, as molochaindb-20260302_020000")


def archive_key(name: str) -> str:
    return f"{database_of(name)}/{name}{_ARCHIVE}"


async def backups(files: Files, database: str) -> AsyncIterator[Backup]:
    """The newest first; the evidence of each is read when its turn comes. Raises
    `FilesUnavailable`.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for key in await files.keys(f"{database}/"):
        if named := _named(key, database):
            found[named].add(key)
    for name in sorted(found, reverse=True):
        keys = [f"{database}/{name}{ending}" for ending in _ENDINGS]
        has_evidence = keys[0] in found[name]
        yield Backup(
            name=name,
            database=database,
            taken_at=_taken_at(name),
            keys=tuple(key for key in keys if key in found[name]),
            evidence=await read_evidence(files, name) if has_evidence else None,
        )


async def newest_verified(files: Files, database: str) -> Backup | None:
    async for backup in backups(files, database):
        if backup.is_verified:
            return backup
    return None


async def unfinished(files: Files, database: str) -> list[str]:
    """Keys of files of backups that a killed writer left in a folder."""
    keys = await files.keys(f"{database}/")
    return [key for key in keys if (to := key_of_unfinished(key)) and _named(to, database)]


async def write_manifest(files: Files, manifest: Manifest) -> None:
    await files.write(_key(manifest.name, _MANIFEST), _json(manifest))


async def read_manifest(files: Files, name: str) -> Manifest:
    """Raises `BackupFailed` if there is none."""
    try:
        content = await files.read(_key(name, _MANIFEST))
        return msgspec.json.decode(content, type=Manifest)
    except FileMissing:
        raise BackupFailed(f"there is no backup {name}, or its manifest is lost") from None
    except msgspec.MsgspecError as error:
        raise BackupFailed(f"the manifest of {name} cannot be read: {error}") from None


async def write_evidence(files: Files, evidence: Evidence) -> None:
    await files.write(_key(evidence.name, _EVIDENCE), _json(evidence))


async def read_evidence(files: Files, name: str) -> Evidence | None:
    """None also for evidence that cannot be read: it proves nothing."""
    try:
        return msgspec.json.decode(await files.read(_key(name, _EVIDENCE)), type=Evidence)
    except (FileMissing, msgspec.MsgspecError):
        return None


def _key(name: str, ending: str) -> str:
    return f"{database_of(name)}/{name}{ending}"


def _named(key: str, database: str) -> str | None:
    base = key.removeprefix(f"{database}/")
    for ending in _ENDINGS:
        name = base.removesuffix(ending)
        found = _NAME.fullmatch(name) if name != base else None
        if found and found["database"] == database and _is_a_moment(name):
            return name
    return None


def _is_a_moment(name: str) -> bool:
    """False for what a person may have put there: `shop-20269999_000000`."""
    try:
        _taken_at(name)
    except ValueError:
        return False
    return True


def _taken_at(name: str) -> datetime:
    return datetime.strptime(name[-15:], _MOMENT).replace(tzinfo=UTC)


def _json(content: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2)
