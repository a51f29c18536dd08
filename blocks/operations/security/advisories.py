"""Advisories in the form of OSV (https://ossf.github.io/osv-schema/), and whether one is about a
version of a package.

Read here, and not by pip-audit: it takes no advisories from files, which an installation without
the internet has, names no severity, and brings a dozen packages, pip among them, into what it
audits. Published as files: https://github.com/github/advisory-database, OSV's `all.zip`.
"""

import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from blocks.contracts.reading.normalised import Normalised
from blocks.operations.security.findings import Severity

ECOSYSTEM = "PyPI"
_RANGES = ("ECOSYSTEM", "SEMVER")  # the third is GIT: commits, which no lock names
_SEVERITIES: dict[str, Severity] = {
    "CRITICAL": "critical",
    "HIGH": "high",
    "MODERATE": "medium",
    "MEDIUM": "medium",
    "LOW": "low",
}
_BYTES_MAX = 10_000_000


class _Event(msgspec.Struct, frozen=True):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None

    @property
    def version(self) -> str:
        return self.introduced or self.fixed or self.last_affected or self.limit or "0"


class _Range(msgspec.Struct, frozen=True):
    type: str
    events: list[_Event] = []


class _Package(msgspec.Struct, frozen=True):
    ecosystem: str
    name: str


class _Affected(msgspec.Struct, frozen=True):
    package: _Package | None = None
    ranges: list[_Range] = []
    versions: list[str] = []


class Advisory(Normalised, frozen=True):
    id: str
    modified: Annotated[datetime, msgspec.Meta(tz=True)]
    withdrawn: datetime | None = None
    aliases: list[str] = msgspec.field(default_factory=list)
    summary: str = ""
    details: str = ""
    affected: list[_Affected] = msgspec.field(default_factory=list)
    database_specific: dict[str, Any] | None = None

    @property
    def severity(self) -> Severity:
        """As its publisher rates it; high if it has no rating."""
        rated = str((self.database_specific or {}).get("severity")).upper()
        return _SEVERITIES.get(rated, "high")

    @property
    def names(self) -> frozenset[str]:
        """Of the packages that it is about, normalised."""
        return frozenset(canonicalize_name(name) for name, _ in self._packages())

    def affects(self, name: str, version: Version) -> bool:
        """Whether it is about this version of the package. Raises `InvalidVersion`."""
        return any(
            _is_listed(version, affected.versions)
            or any(_is_within(version, one) for one in affected.ranges if one.type in _RANGES)
            for package, affected in self._packages()
            if canonicalize_name(package) == name
        )

    def fixed_in(self, name: str, version: Version) -> Version | None:
        """The lowest version above this one in which it is fixed. Raises `InvalidVersion`."""
        fixed = (
            Version(event.fixed)
            for package, affected in self._packages()
            if canonicalize_name(package) == name
            for one in affected.ranges
            if one.type in _RANGES
            for event in one.events
            if event.fixed
        )
        return min((one for one in fixed if one > version), default=None)

    def _packages(self) -> Iterator[tuple[str, _Affected]]:
        for affected in self.affected:
            if affected.package and affected.package.ecosystem == ECOSYSTEM:
                yield affected.package.name, affected


def contents(place: Path) -> Iterator[bytes]:
    """Each advisory file of a folder and all below it, of a zip, or the file alone.

    Raises `OSError` and `zipfile.BadZipFile`.
    """
    if zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            for member in archive.infolist():
                if member.filename.endswith(".json"):
                    with archive.open(member) as file:
                        yield file.read(_BYTES_MAX)
    elif place.is_dir():
        for path in sorted(place.rglob("*.json")):
            with path.open("rb") as file:
                yield file.read(_BYTES_MAX)
    else:
        yield place.read_bytes()


def decoded(content: bytes) -> list[Advisory]:
    """Of one file: an advisory, or a list of them. Raises `msgspec.MsgspecError`."""
    if content.lstrip()[:1] == b"[":
        return msgspec.json.decode(content, type=list[Advisory])
    return [msgspec.json.decode(content, type=Advisory)]


def _is_listed(version: Version, listed: list[str]) -> bool:
    for one in listed:
        try:
            if Version(one) == version:
                return True
        except InvalidVersion:
            continue  # a release from before there were rules; no lock can name it
    return False


def _is_within(version: Version, affected: _Range) -> bool:
    """OSV's own algorithm: https://ossf.github.io/osv-schema/#evaluation"""
    limits = [Version(event.limit) for event in affected.events if event.limit not in (None, "*")]
    if limits and not any(version < limit for limit in limits):
        return False
    is_vulnerable = False
    for event in sorted(affected.events, key=_order):
        if event.introduced and (event.introduced == "0" or version >= Version(event.introduced)):
            is_vulnerable = True
        if event.fixed and version >= Version(event.fixed):
            is_vulnerable = False
        if event.last_affected and version > Version(event.last_affected):
            is_vulnerable = False
    return is_vulnerable


def _order(event: _Event) -> tuple[bool, Version]:
    """ "0" comes before every version, development releases included."""
    if event.limit:
        return True, Version("0")
    return event.version != "0", Version(event.version)
