"""Known vulnerabilities of the packages that a lock names, or that are installed here."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from blocks.contracts.events import JsonObject
from blocks.operations.security.advisories import Advisory, contents, decoded
from blocks.operations.security.findings import Finding, finding, listed
from blocks.operations.work import NotConfigured, Stop
from blocks.settings.auth import words
from blocks.settings.operations import SecurityAudit

log = logging.getLogger(__name__)

_HASHES = re.compile(r"\s+--hash[= ].*|\s*\\$|\s+#.*")
_OPTIONS_WITHOUT_PACKAGES = ("--hash", "-i", "--index-url", "--extra-index-url", "--no-", "--only-")


class AdvisoriesMissing(Exception):
    """There are none where the setting says, so nothing can be said of any package."""


class Package(msgspec.Struct, frozen=True):
    name: str
    """Normalised."""
    version: str
    source: str
    """The lock that names it, or `installed`."""


def scan(settings: SecurityAudit, stop: Stop) -> JsonObject:
    """Every package of the locks is compared with every advisory.

    Returns `vulnerabilitiesFound`, `scanComplete` (false: some packages or advisories could not be
    read), `packagesChecked`, `packagesUnchecked`, `advisoriesRead`, `advisoriesUnreadable`,
    `newestAdvisory` and `vulnerabilities`. Raises `NotConfigured`, `AdvisoriesMissing`, `OSError`.
    """
    place = settings.advisories.strip()
    if not place:
        raise NotConfigured("SECURITY_AUDIT_ADVISORIES names no advisories")
    packages, unchecked = _packages(settings)
    by_name = defaultdict[str, list[Package]](list)
    for package in packages:
        by_name[package.name].append(package)

    relevant, read, unreadable = list[Advisory](), 0, 0
    newest = datetime.min.replace(tzinfo=UTC)
    for content in contents(Path(place)):
        stop()
        try:
            advisories = decoded(content)
        except msgspec.MsgspecError:
            unreadable += 1
            continue
        read += len(advisories)
        relevant += [one for one in advisories if not by_name.keys().isdisjoint(one.names)]
        newest = max([newest, *(one.modified for one in advisories)])
    if not read:
        raise AdvisoriesMissing(f"SECURITY_AUDIT_ADVISORIES: {place} holds no advisory")

    found, failed = _matches(by_name, relevant)
    unreadable += failed
    return {
        "vulnerabilitiesFound": len(found),
        "scanComplete": not unchecked and not unreadable,
        "packagesChecked": len(packages),
        "packagesUnchecked": unchecked,
        "advisoriesRead": read,
        "advisoriesUnreadable": unreadable,
        "newestAdvisory": newest.isoformat(),
        **listed("vulnerabilities", found),
    }


def _matches(
    by_name: Mapping[str, list[Package]], advisories: list[Advisory]
) -> tuple[list[Finding], int]:
    """What was found, and how many advisories cannot be compared with versions."""
    found, failed, known = list[Finding](), 0, set[tuple[Package, str]]()
    # One vulnerability may have several advisories, which name one another; GitHub's, whose ids
    # sort first of those in use, have a rating.
    for advisory in sorted(advisories, key=lambda one: one.id):
        if advisory.withdrawn:
            continue
        try:
            for package in (
                one for name in sorted(advisory.names) for one in by_name.get(name, ())
            ):
                ids = {(package, id) for id in (advisory.id, *advisory.aliases)}
                if known.isdisjoint(ids) and advisory.affects(
                    package.name, Version(package.version)
                ):
                    found.append(_finding(advisory, package))
                    known |= ids
        except InvalidVersion as error:
            log.warning("advisory %s cannot be compared: %s", advisory.id, error)
            failed += 1
    return found, failed


def _finding(advisory: Advisory, package: Package) -> Finding:
    fixed = advisory.fixed_in(package.name, Version(package.version))
    also = f" ({', '.join(advisory.aliases[:3])})" if advisory.aliases else ""
    return finding(
        advisory.severity,
        f"{package.name} {package.version} in {package.source}",
        f"{advisory.id}{also}: {advisory.summary or advisory.details}",
        f"upgrade to {fixed}" if fixed else "no fixed version is known: replace it",
    )


def _packages(settings: SecurityAudit) -> tuple[list[Package], int]:
    """Those with a version, and how many lines of the locks name none."""
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
