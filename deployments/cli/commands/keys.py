"""`orchestrator keys create | list | revoke`"""

import click

from blocks.observability.plain_text import plain
from deployments.cli.actor import as_option
from deployments.cli.over_http import answered
from deployments.cli.parameters import uuid

ROLES = ["viewer", "operator", "approver", "admin"]

tenant_option = click.option(
    "--tenant",
    type=uuid,
    required=True,
    envvar="ORCHESTRATOR_TENANT",
    show_envvar=True,
    help="Whose data they open.",
)


@click.group()
def keys() -> None:
    """Make and revoke API keys.

    \b
    Examples:
      orchestrator keys create --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10 --name billing --role viewer
      orchestrator keys list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator keys revoke 8c1f0a6b2d4e --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """


@keys.command("create")
@tenant_option
@click.option(
    "--name",
    required=True,
    help="Of the program that will use it; stands on record for what it does.",
)
@click.option(
    "--role",
    "roles",
    type=click.Choice(ROLES),
    multiple=True,
    required=True,
    help="What it may do; can be repeated.",
)
@click.option(
    "--acts-for-users",
    is_flag=True,
    help="Its holder may say in whose name it acts (X-User-ID, decidedBy).",
)
@click.option(
    "--days",
    type=click.IntRange(1, 730),
    default=90,
    show_default=True,
    help="It expires after so many days.",
)
@as_option
def create(
    tenant: str, name: str, roles: tuple[str, ...], acts_for_users: bool, days: int, actor: str
) -> None:
    """Make a key; print it, this once.

    To rotate: make a second key of the same name, hand it out, revoke the first. At most two of one
    name are live.

    \b
    Examples:
      orchestrator keys create --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10 --name billing --role viewer
      orchestrator keys create --name chat-bot --role approver --acts-for-users --days 30
    """
    import re

    from blocks.security.api_keys import NAME_PATTERN
    from deployments.cli.remote import keys as remote
    from deployments.cli.views.api_keys import create_key

    if not re.fullmatch(NAME_PATTERN, name):
        raise click.BadParameter(
            "use 1 to 100 letters, digits, '.', '_' or '-'.", param_hint="--name"
        )
    made = answered(create_key, remote.create_key)(
        tenant, name, roles, acts_for_users=acts_for_users, days=days, actor=actor
    )
    click.echo(plain(f"key      {made.key}"))
    click.echo(plain(f"prefix   {made.prefix}"))
    click.echo(plain(f"expires  {made.expires_at:%Y-%m-%d}"))
    click.echo("\nIt is not shown again. Send it as  Authorization: Bearer KEY", err=True)


@keys.command("list")
@tenant_option
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line, for other programs."
)
def list_keys(tenant: str, as_json: bool) -> None:
    """List a tenant's keys: whose they are, what they may do, when each was last used.

    \b
    Examples:
      orchestrator keys list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator keys list --json | jq -r 'select(.revokedAt == null) | .prefix'
    """
    from deployments.cli.remote import keys as remote
    from deployments.cli.views.api_keys import print_keys, query_keys

    print_keys(answered(query_keys, remote.query_keys)(tenant), as_json=as_json)


@keys.command("revoke")
@click.argument("prefix")
@tenant_option
@as_option
def revoke(prefix: str, tenant: str, actor: str) -> None:
    """Revoke a key; every API process refuses it within three seconds.

    PREFIX is what stands between the underscores of the key, and what `keys list` shows.

    \b
    Examples:
      orchestrator keys revoke 8c1f0a6b2d4e --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    from deployments.cli.remote import keys as remote
    from deployments.cli.views.api_keys import revoke_key

    answered(revoke_key, remote.revoke_key)(tenant, prefix, actor)
    click.echo(plain(f"key {prefix} is revoked"))
