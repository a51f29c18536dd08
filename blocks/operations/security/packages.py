"""The packages that locks name, or that are installed here."""

import re
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from blocks.settings.auth import words
from blocks.settings.operations import SecurityAudit

_HASHES = re.compile(r"\s+--hash[= ].*|\s*\\$|\s+#.*")
_OPTIONS_WITHOUT_PACKAGES = ("--hash", "-i", "--index-url", "--extra-index-url", "--no-", "--only-")


class Package(msgspec.Struct, frozen=True):
    name: str
    """Normalised."""
    version: str
    source: str
    """The lock that names it, or `installed`."""


def packages_of(settings: SecurityAudit) -> tuple[list[Package], int]:
    """Those with a version, and how many lines of the locks name none. Raises `OSError`."""
    paths = words(settings.lock_files)
    named = [one for path in paths for one in _in_lock(Path(path))] if paths else [*_installed()]
    known = {one for one in named if one and _is_version(one.version)}
    return sorted(known, key=lambda one: (one.name, one.version)), len(
        [one for one in named if not one or not _is_version(one.version)]
    )


def _installed() -> Iterator[Package | None]:
    for one in distributions():
        name = one.metadata["Name"]
        yield Package(canonicalize_name(name), one.version, "installed") if name else None


def _in_lock(path: Path) -> Iterator[Package | None]:
    """Each package of a requirements file; None: a line that pins no version."""
    for line in path.read_text().splitlines():
        requirement = _HASHES.sub("", line).strip()
        if not requirement or requirement.startswith(("#", *_OPTIONS_WITHOUT_PACKAGES)):
            continue
        yield _pinned(requirement, path.name)


def _pinned(line: str, source: str) -> Package | None:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None
    match list(requirement.specifier):
        case [only] if only.operator in ("==", "===") and "*" not in only.version:
            return Package(canonicalize_name(requirement.name), only.version, source)
    return None


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True
