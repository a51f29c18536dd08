"""`orchestrator webhooks list | add | rotate | remove | test`"""

import click

from deployments.cli.actor import as_option
from deployments.cli.parameters import any_id, uuid

EVENT_TYPES = [
    "hitl.approval.requested",
    "hitl.approval.reminded",
    "hitl.approval.escalated",
    "hitl.approval.advanced",
    "hitl.approval.questioned",
    "hitl.approval.answered",
    "hitl.approval.completed",
]

tenant_option = click.option(
    "--tenant",
    type=uuid,
    required=True,
    envvar="ORCHESTRATOR_TENANT",
    show_envvar=True,
    help="Whose webhooks.",
)


@click.group()
def webhooks() -> None:
    """Notify other systems of a tenant's approvals.

    \b
    Examples:
      orchestrator webhooks list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator webhooks add https://hooks.example/approvals --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """


@webhooks.command("list")
@tenant_option
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per line, for other programs."
)
def list_webhooks(tenant: str, as_json: bool) -> None:
    """List a tenant's webhooks, without their secrets.

    \b
    Examples:
      orchestrator webhooks list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator webhooks list --json | jq .url
    """
    import asyncio

    from deployments.cli.views.webhooks import print_webhooks

    asyncio.run(print_webhooks(tenant, as_json=as_json))


@webhooks.command("add")
@click.argument("url")
@tenant_option
@click.option(
    "--event",
    "events",
    type=click.Choice(EVENT_TYPES),
    multiple=True,
    help="Only these; may be repeated. [default: all]",
)
@as_option
def add(url: str, tenant: str, events: tuple[str, ...], actor: str) -> None:
    """Add a webhook; print the secret that signs its deliveries, this once.

    URL is https and on the public internet, unless its host is in WEBHOOK_ALLOWED_HOSTS here and
    where the listeners run.

    \b
    Examples:
      orchestrator webhooks add https://hooks.example/approvals --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator webhooks add https://hooks.example/done --event hitl.approval.completed
    """
    import asyncio

    from blocks.webhooks.outgoing_http import DestinationRefused
    from deployments.cli.views.webhooks import add_webhook

    try:
        id, secret = asyncio.run(add_webhook(tenant, url, events, actor))
    except DestinationRefused as refused:
        raise click.BadParameter(f"{refused}.", param_hint="URL") from None
    click.echo(f"webhook {id}")
    click.echo(f"secret  {secret}")


@webhooks.command("rotate")
@click.argument("id")
@tenant_option
@as_option
def rotate(id: str, tenant: str, actor: str) -> None:
    """Give a webhook a new secret; print it, this once.

    For 24 hours, deliveries are signed with the new secret and with the earlier one, so that the
    receiver can switch at any time.

    \b
    Examples:
      orchestrator webhooks rotate 0c7a8c4e-… --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    import asyncio

    from blocks.webhooks.changes import TooManySecrets
    from deployments.cli.views.webhooks import rotate_secret

    try:
        secret, valid_until = asyncio.run(rotate_secret(tenant, id, actor))
    except TooManySecrets as refused:
        raise click.ClickException(f"{refused}: try again when one of them has expired") from None
    click.echo(f"secret  {secret}")
    click.echo(f"the earlier secret is valid until {valid_until:%Y-%m-%d %H:%M} UTC")


@webhooks.command("remove")
@click.argument("id", type=any_id)
@tenant_option
@as_option
def remove(id: str, tenant: str, actor: str) -> None:
    """Remove a webhook; its pending deliveries are dropped.

    \b
    Examples:
      orchestrator webhooks remove 0c7a8c4e-… --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    import asyncio

    from deployments.cli.views.webhooks import remove_webhook

    asyncio.run(remove_webhook(tenant, id, actor))
    click.echo(f"webhook {id} is removed")


@webhooks.command("test")
@click.argument("id", type=any_id)
@tenant_option
def test(id: str, tenant: str) -> None:
    """Send one signed event of type `webhook.test`, and print the receiver's answer.

    Exit code 1 unless it answered with a status of success. The listeners deliver from their own
    hosts, from which the receiver may or may not be reachable.

    \b
    Examples:
      orchestrator webhooks test 0c7a8c4e-… --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    import asyncio

    from deployments.cli.views.webhooks import try_webhook

    status, seconds = asyncio.run(try_webhook(tenant, id))
    answered = f"the receiver answered {status} in {seconds * 1000:.0f} ms"
    if not 200 <= status < 300:
        raise click.ClickException(answered)
    click.echo(answered)
