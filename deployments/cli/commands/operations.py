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
      orchestrator ops log-rotation now
      orchestrator ops backup now
      orchestrator ops security-audit now
      orchestrator ops performance-optimization now
    """


ops.add_command(backup)


@ops.group("log-rotation")
def log_rotation() -> None:
    """Log files: rotated, compressed, deleted.

    \b
    Examples:
      orchestrator ops log-rotation now
    """


@log_rotation.command("now")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def rotate_now(as_json: bool) -> None:
    """Rotate the log files of LOG_ROTATION_PATHS, compress and delete old ones.

    \b
    Examples:
      orchestrator ops log-rotation now
      LOG_ROTATION_PATHS='/var/log/shop/*.log' orchestrator ops log-rotation now --json
    """
    from deployments.cli.actions.operations import rotate_logs

    rotate_logs(as_json=as_json)


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
