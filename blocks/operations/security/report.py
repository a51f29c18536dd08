"""The report of an audit: what all its steps found, stored as JSON."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.files import open_files
from blocks.operations.security.findings import Finding, worst_first
from blocks.settings import Settings


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    vulnerabilities: int | None
    """None: there was nothing to compare with."""
    violations: int
    suspicious: int


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    created_at: datetime
    summary: Summary
    scan_complete: bool | None
    """False: some packages or advisories could not be read; None: nothing was scanned."""
    vulnerabilities: list[Finding]
    violations: list[Finding]
    suspicious: list[Finding]

    @property
    def findings(self) -> list[Finding]:
        """All, the worst first."""
        return worst_first([*self.vulnerabilities, *self.violations, *self.suspicious])


class _Scanned(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the scan has returned, beside its figures. None and nothing: it was skipped."""

    vulnerabilities_found: int | None = None
    scan_complete: bool | None = None
    vulnerabilities: list[Finding] = []


class _Found(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the other steps have returned, beside their figures."""

    violations_found: int
    violations: list[Finding]
    suspicious_activity: int
    suspicious: list[Finding]


def report_of(input: JsonObject, settings: Settings) -> Report:
    """From the results of the other steps. Raises `msgspec.ValidationError`: one is missing.

    Without advisories the scan has no result: what is called so came with the trigger.
    """
    has_scanned = bool(settings.operations.security_audit.advisories.strip())
    scanned = msgspec.convert(input, _Scanned) if has_scanned else _Scanned()
    found = msgspec.convert(input, _Found)
    return Report(
        created_at=utc_now(),
        summary=Summary(
            vulnerabilities=scanned.vulnerabilities_found,
            violations=found.violations_found,
            suspicious=found.suspicious_activity,
        ),
        scan_complete=scanned.scan_complete,
        vulnerabilities=scanned.vulnerabilities,
        violations=found.violations,
        suspicious=found.suspicious,
    )


async def store_report(report: Report, settings: Settings) -> JsonObject:
    """The report is where the settings want it, under the moment that it was made.

    Returns `reportGenerated`, `summary`, `worst` (a severity; None: nothing was found) and
    `storedAs`. Raises `FilesUnavailable`.
    """
    url = settings.operations.security_audit.reports_url
    files = open_files(
        url, "audit reports", settings.data_dir, setting="SECURITY_AUDIT_REPORTS_URL"
    )
    key = f"{report.created_at:%Y-%m-%dT%H%M%SZ}.json"
    await files.write(key, msgspec.json.format(msgspec.json.encode(report), indent=2))
    return {
        "reportGenerated": True,
        "summary": msgspec.to_builtins(report.summary),
        "worst": _worst(report.findings),
        "storedAs": key,
    }


def _worst(findings: Iterable[Finding]) -> str | None:
    return next((one.severity for one in findings), None)
