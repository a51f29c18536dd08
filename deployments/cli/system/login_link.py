"""`orchestrator login-link`"""

import click

from deployments.cli.actor import as_option
from deployments.cli.commands.keys import ROLES, tenant_option


@click.command("login-link")
@tenant_option
@click.option(
    "--role",
    "roles",
    type=click.Choice(ROLES),
    multiple=True,
    default=ROLES,
    show_default="all",
    help="What it may do; can be repeated.",
)
@as_option
def login_link(tenant: str, roles: tuple[str, ...], actor: str) -> None:
    """Print a link that signs a person in to the pages, once, within ten minutes.

    Whoever has the link can use it: hand it to that person alone. The session lasts
    PAGES_SESSION_HOURS, and has a key of its own, which `keys revoke` ends.

    \b
    Examples:
      orchestrator login-link --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator login-link --role approver
    """
    import asyncio

    asyncio.run(_print_link(tenant, roles, actor))


async def _print_link(tenant: str, roles: tuple[str, ...], actor: str) -> None:
    from typing import cast

    from blocks.contracts.roles import Role
    from blocks.services import open_store
    from blocks.settings import load_settings
    from blocks.settings.auth import API_KEY, modes_of
    from deployments.cli.acts import audited
    from deployments.local.login_link import login_link as new_link

    settings = load_settings()
    if API_KEY not in modes_of(settings.auth):
        raise click.ClickException("a login link is an API key: AUTH_MODE must include api-key")
    async with open_store(settings) as store:
        await store.provision()
        async with audited(store, tenant, "login-link", actor) as recorded:
            link = await new_link(settings, recorded, tenant, [cast("Role", one) for one in roles])
    click.echo(link)
