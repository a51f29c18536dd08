"""The report of an audit: what all its steps found, stored as JSON, and kept for its time."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.files import open_files
from blocks.operations.security.findings import Finding, worst_first
from blocks.settings import Settings
from blocks.settings.operations import SecurityAudit

_NAME = "%Y-%m-%dT%H%M%SZ.json"


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
    part = settings.operations.security_audit
    has_scanned = bool(part.advisories.strip() or part.advisories_url)
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
    """The report is where the settings want it, under the moment that it was made, and those are
    gone whose time is over or that are too many.

    Returns `reportGenerated`, `summary`, `worst` (a severity; None: nothing was found), `storedAs`
    and `reportsDeleted`. Raises `FilesUnavailable`.
    """
    part = settings.operations.security_audit
    files = open_files(
        part.reports_url, "audit reports", settings.data_dir, setting="SECURITY_AUDIT_REPORTS_URL"
    )
    key = f"{report.created_at:{_NAME}}"
    await files.write(key, msgspec.json.format(msgspec.json.encode(report), indent=2))
    going = expired(await files.keys(""), part, report.created_at)
    for old in going:
        await files.delete(old)
    return {
        "reportGenerated": True,
        "summary": msgspec.to_builtins(report.summary),
        "worst": _worst(report.findings),
        "storedAs": key,
        "reportsDeleted": len(going),
    }


def expired(keys: Iterable[str], part: SecurityAudit, now: datetime) -> list[str]:
    """Of what lies there, the reports that are too old or too many, oldest first; never the newest,
    and nothing that is no report.
    """
    made = {key: moment for key in keys if (moment := _moment_of(key))}
    newest_first = sorted(made, key=lambda key: made[key], reverse=True)
    kept_since = now - timedelta(days=part.reports_kept_days)
    kept = [
        key
        for number, key in enumerate(newest_first)
        if number == 0 or (number < part.reports_kept and made[key] >= kept_since)
    ]
    return [key for key in reversed(newest_first) if key not in kept]


def _moment_of(key: str) -> datetime | None:
    try:
        return datetime.strptime(key, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _worst(findings: Iterable[Finding]) -> str | None:
    return next((one.severity for one in findings), None)
