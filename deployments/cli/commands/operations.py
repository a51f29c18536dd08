"""`orchestrator ops`"""

import click

from deployments.cli.commands.backups import backup


@click.group()
def ops() -> None:
    """Do maintenance now, in this process: without Prefect, and without a record.

    What runs by schedule, on events and on request leaves an execution; this is for a person at a
    terminal of the machine.

    \b
    Examples:
      orchestrator ops health-monitoring now
      orchestrator ops cache-warmup now
      orchestrator ops log-rotation now
      orchestrator ops backup now
      orchestrator ops cms-sync now
      orchestrator ops security-audit now
      orchestrator ops user-onboarding now --user-id u-1 --email ann@shop.example
      orchestrator ops notification-digest now
      orchestrator ops performance-optimization now
      orchestrator ops sales-operations now
    """


ops.add_command(backup)

figures_as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the figures as one JSON object."
)


@ops.group("log-rotation")
def log_rotation() -> None:
    """Log files: rotated, compressed, deleted.

    \b
    Examples:
      orchestrator ops log-rotation now
    """


@log_rotation.command("now")
@figures_as_json
def rotate_now(as_json: bool) -> None:
    """Rotate the log files of LOG_ROTATION_PATHS, compress and delete old ones.

    \b
    Examples:
      orchestrator ops log-rotation now
      LOG_ROTATION_PATHS='/var/log/shop/*.log' orchestrator ops log-rotation now --json
    """
    from deployments.cli.actions.operations import rotate_logs

    rotate_logs(as_json=as_json)


@ops.group("cms-sync")
def cms_sync() -> None:
    """Content of the CMS: fetched, made current.

    \b
    Examples:
      orchestrator ops cms-sync now
    """


@cms_sync.command("now")
@figures_as_json
def sync_cms_now(as_json: bool) -> None:
    """Fetch what has changed at CMS_URL, and make it what readers see. Sends no notification.

    \b
    Examples:
      orchestrator ops cms-sync now
      CMS_URL=http://cms-app:8090 orchestrator ops cms-sync now --json
    """
    import asyncio

    from deployments.cli.actions.operations import sync_cms

    asyncio.run(sync_cms(as_json=as_json))


@ops.group("health-monitoring")
def health_monitoring() -> None:
    """The platform's containers, endpoints and database.

    \b
    Examples:
      orchestrator ops health-monitoring now
    """


@health_monitoring.command("now")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as one JSON object.")
def look_now(as_json: bool) -> None:
    """Look at everything that is configured, and notify no one; exit with 1 if something fails.

    \b
    Examples:
      orchestrator ops health-monitoring now
      HEALTH_MONITORING_ENDPOINTS=api=http://api:5000/health orchestrator ops health-monitoring now --json
    """
    import asyncio

    from deployments.cli.actions.looks import look_at_health

    if not asyncio.run(look_at_health(as_json=as_json)):
        raise SystemExit(1)


@ops.group("cache-warmup")
def cache_warmup() -> None:
    """Pages that are asked for before people do.

    \b
    Examples:
      orchestrator ops cache-warmup now
    """


@cache_warmup.command("now")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def warm_now(as_json: bool) -> None:
    """Ask for the pages of CACHE_WARMUP_API_URLS, _CMS_URLS and _SESSION_URLS.

    \b
    Examples:
      orchestrator ops cache-warmup now
      CACHE_WARMUP_API_URLS=http://api:5000/api/services orchestrator ops cache-warmup now --json
    """
    import asyncio

    from deployments.cli.actions.looks import warm_caches

    asyncio.run(warm_caches(as_json=as_json))


@ops.group("security-audit")
def security_audit() -> None:
    """Known vulnerabilities, permissions, refused requests, and what expires.

    \b
    Examples:
      orchestrator ops security-audit now
    """


@security_audit.command("now")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def audit_now(as_json: bool) -> None:
    """Look, store a report, and print what was found.

    \b
    Examples:
      orchestrator ops security-audit now
      SECURITY_AUDIT_ADVISORIES=advisories.zip orchestrator ops security-audit now --json
    """
    import asyncio

    from deployments.cli.actions import security_audit

    asyncio.run(security_audit.audit_now(as_json=as_json))


@ops.group("user-onboarding")
def user_onboarding() -> None:
    """New users: welcomed, with defaults, role and workspace.

    \b
    Examples:
      orchestrator ops user-onboarding now --user-id u-1 --email ann@shop.example
    """


@user_onboarding.command("now")
@click.option("--user-id", default="", metavar="ID", help="As the platform's services know them.")
@click.option("--email", required=True, metavar="ADDRESS", help="Where the welcome mail goes.")
@click.option("--name", default="", help="How the mail addresses them.")
@figures_as_json
def onboard_now(user_id: str, email: str, name: str, as_json: bool) -> None:
    """Welcome this user, and have their defaults, role and workspace made. What was done before is
    not done again.

    \b
    Examples:
      orchestrator ops user-onboarding now --user-id u-1 --email ann@shop.example --name Ann
    """
    import asyncio

    from deployments.cli.actions.operations import onboard

    given = {"userId": user_id, "email": email, "name": name}
    asyncio.run(onboard(given, as_json=as_json))


@ops.group("notification-digest")
def notification_digest() -> None:
    """The digest of notifications: collected, compiled, sent.

    \b
    Examples:
      orchestrator ops notification-digest now
    """


@notification_digest.command("now")
@figures_as_json
def send_digest_now(as_json: bool) -> None:
    """Send each user what happened since the last digest.

    \b
    Examples:
      orchestrator ops notification-digest now
    """
    import asyncio

    from deployments.cli.actions.operations import send_digest

    asyncio.run(send_digest(as_json=as_json))


@ops.group("performance-optimization")
def performance_optimization() -> None:
    """Figures of this machine, PostgreSQL and Redis; and what may be done about them.

    \b
    Examples:
      orchestrator ops performance-optimization now
    """


@performance_optimization.command("now")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def optimize_now(as_json: bool) -> None:
    """Measure; vacuum and purge what the settings allow.

    \b
    Examples:
      orchestrator ops performance-optimization now
      PERFORMANCE_VACUUM_TABLES=public.orders orchestrator ops performance-optimization now --json
    """
    import asyncio

    from deployments.cli.actions import performance

    asyncio.run(performance.optimize_now(as_json=as_json))


@ops.group("sales-operations")
def sales_operations() -> None:
    """Sales: analysed, leads qualified, due dates watched.

    \b
    Examples:
      orchestrator ops sales-operations now
    """


@sales_operations.command("now")
@figures_as_json
def run_sales_now(as_json: bool) -> None:
    """Have sales analysed and leads qualified, and watch due dates. Sends no report.

    \b
    Examples:
      orchestrator ops sales-operations now
    """
    import asyncio

    from deployments.cli.actions.operations import run_sales

    asyncio.run(run_sales(as_json=as_json))
