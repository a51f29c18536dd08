"""The report of a security audit, as operators see it in Prefect."""

from collections.abc import Sequence

from blocks.operations.security import Finding, Report
from flows.shared import markdown

ROWS_MAX = 200
"""Of a table, the worst; the stored report has more."""


def page_of(report: Report) -> str:
    """The report as Markdown."""
    return "\n\n".join(
        [
            f"# Security audit of {report.created_at:%Y-%m-%d %H:%M}Z",
            _scanned(report),
            *_section("Known vulnerabilities", report.vulnerabilities),
            *_section("Permissions, and what expires", report.violations),
            *_section("Refused requests", report.suspicious),
        ]
    )


def _scanned(report: Report) -> str:
    match report.scan_complete:
        case None:
            return (
                "Packages were not scanned: neither SECURITY_AUDIT_ADVISORIES nor "
                "SECURITY_AUDIT_ADVISORIES_URL names advisories."
            )
        case False:
            return "**The scan is incomplete**: some packages or advisories could not be read."
    return "Every package was compared with every advisory."


def _section(title: str, findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return [f"## {title}: none"]
    rows = [
        (
            markdown.text(one.severity),
            markdown.text(one.subject),
            markdown.text(one.problem),
            markdown.text(one.remedy),
        )
        for one in findings[:ROWS_MAX]
    ]
    more = len(findings) - len(rows)
    table = markdown.table(("Severity", "What", "Problem", "Remedy"), rows)
    return [
        f"## {title}: {len(findings)}",
        table,
        *([f"{more} more are in the report."] * (more > 0)),
    ]
