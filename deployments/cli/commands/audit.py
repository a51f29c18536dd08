"""`orchestrator audit list`"""

from datetime import datetime

import click

from deployments.cli.commands.executions import tenant_option
from deployments.cli.over_http import answered
from deployments.cli.parameters import any_id, moment


@click.group()
def audit() -> None:
    """See who changed what for a tenant, and when.

    \b
    Examples:
      orchestrator audit list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """


@audit.command("list")
@tenant_option
@click.option("--action", help="Only this action, e.g. execution.cancel.")
@click.option("--actor", help="Only what was done in this name, e.g. ann or cli:root.")
@click.option("--target", type=any_id, help="Only what named or changed this id.")
@click.option("--since", type=moment, help="Only what began then or later (UTC).")
@click.option("--until", type=moment, help="Only what began before that (UTC).")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON record per line, with before and after."
)
def list_entries(
    tenant: str,
    action: str | None,
    actor: str | None,
    target: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the entries of a tenant's audit log, newest first.

    What belongs to the platform itself is under 00000000-0000-0000-0000-000000000001.

    \b
    Examples:
      orchestrator audit list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator audit list --action definition.set --since 2026-03-01 --json | jq .changes
    """
    from deployments.cli.remote import audit as remote
    from deployments.cli.views.audit import print_entries, query_entries

    wanted = {"action": action, "actor": actor, "target": target}
    ask = answered(query_entries, remote.query_entries)
    print_entries(ask(tenant, wanted, limit, since=since, until=until), as_json=as_json)
