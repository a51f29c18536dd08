"""The security audit, done from the command line."""

from blocks.operations import security
from blocks.operations.work import NotConfigured
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.printing import console, say_json, say_line, table_of


async def audit_now(*, as_json: bool) -> None:
    """What is found is stored as a report, and printed, the worst first.

    Raises `AdvisoriesMissing`, `DatabaseFailed`, `FilesUnavailable`, `ServiceFailed`,
    `OSError` and `Unavailable`.
    """
    settings = load_settings()
    audit = settings.operations.security_audit
    async with open_store(settings) as store:
        try:
            scanned = await security.scan(audit)
        except NotConfigured as reason:
            scanned = {}
            say_line(f"packages are not scanned: {reason}", error=True)
        checked = await security.check_permissions(settings, store)
        reviewed = await security.review(audit, store)
    report = security.report_of(scanned | checked | reviewed, settings)
    stored = await security.store_report(report, settings)
    if as_json:
        say_json(report)
        return
    table = table_of("SEVERITY", "WHAT", "PROBLEM", "REMEDY", wraps=("WHAT", "PROBLEM", "REMEDY"))
    for one in report.findings:
        table.add_row(one.severity, one.subject, one.problem, one.remedy)
    console().print(table)
    say_line(f"{len(report.findings)} findings, stored as {stored['storedAs']}")
