"""Known vulnerabilities of the packages that a lock names, or that are installed here."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
from packaging.version import InvalidVersion, Version

from blocks.contracts.events import JsonObject
from blocks.operations.security.advisories import Advisory, contents, decoded
from blocks.operations.security.findings import Finding, finding, listed
from blocks.operations.security.osv_service import advisories_about
from blocks.operations.security.packages import Package, packages_of
from blocks.operations.work import NotConfigured, Stop, in_thread
from blocks.settings.operations import SecurityAudit

log = logging.getLogger(__name__)


class AdvisoriesMissing(Exception):
    """There are none where the setting says, so nothing can be said of any package."""


async def scan(settings: SecurityAudit) -> JsonObject:
    """Every package of the locks is compared with every advisory of the files and of the service.

    Returns `vulnerabilitiesFound`, `scanComplete` (false: some packages or advisories could not be
    read), `packagesChecked`, `packagesUnchecked`, `advisoriesRead`, `advisoriesUnreadable`,
    `newestAdvisory` (None: there is none about these packages) and `vulnerabilities`. Raises
    `NotConfigured`, `AdvisoriesMissing`, `ServiceFailed`, `OSError`.
    """
    place, url = settings.advisories.strip(), settings.advisories_url
    if not place and not url:
        raise NotConfigured(
            "SECURITY_AUDIT_ADVISORIES and SECURITY_AUDIT_ADVISORIES_URL name no advisories"
        )
    packages, unchecked = await asyncio.to_thread(packages_of, settings)
    asked = await advisories_about(url, packages) if url else []
    return await in_thread(partial(_compared, packages, unchecked, place, asked))


class _Gathered(msgspec.Struct):
    """What was read of advisories; those about other packages are only counted."""

    relevant: list[Advisory] = []
    count: int = 0
    unreadable: int = 0
    newest: datetime = datetime.min.replace(tzinfo=UTC)


def _compared(
    packages: Sequence[Package], unchecked: int, place: str, asked: Sequence[bytes], stop: Stop
) -> JsonObject:
    by_name, read = defaultdict[str, list[Package]](list), _Gathered()
    for package in packages:
        by_name[package.name].append(package)
    if place:
        _gather(contents(Path(place)), by_name.keys(), read, stop)
        if not read.count:
            raise AdvisoriesMissing(f"SECURITY_AUDIT_ADVISORIES: {place} holds no advisory")
    _gather(asked, by_name.keys(), read, stop)

    found, failed = _matches(by_name, read.relevant)
    unreadable = read.unreadable + failed
    return {
        "vulnerabilitiesFound": len(found),
        "scanComplete": not unchecked and not unreadable,
        "packagesChecked": len(packages),
        "packagesUnchecked": unchecked,
        "advisoriesRead": read.count,
        "advisoriesUnreadable": unreadable,
        "newestAdvisory": read.newest.isoformat() if read.count else None,
        **listed("vulnerabilities", found),
    }


def _gather(files: Iterable[bytes], names: Set[str], read: _Gathered, stop: Stop) -> None:
    """Adds them to what was read."""
    for content in files:
        stop()
        try:
            advisories = decoded(content)
        except msgspec.MsgspecError:
            read.unreadable += 1
            continue
        read.count += len(advisories)
        read.relevant += [one for one in advisories if not names.isdisjoint(one.names)]
        read.newest = max([read.newest, *(one.modified for one in advisories)])


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
