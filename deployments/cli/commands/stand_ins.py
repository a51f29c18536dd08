"""`orchestrator stand-ins list | name | end`"""

from datetime import datetime

import click

from blocks.observability.plain_text import plain
from deployments.cli.actor import as_option
from deployments.cli.arguments import Limited
from deployments.cli.commands.executions import tenant_option
from deployments.cli.parameters import moment


@click.group("stand-ins")
def stand_ins() -> None:
    """Who decides in the place of a person who is absent.

    \b
    Examples:
      orchestrator stand-ins name bob --as ann --until 2026-12-24
      orchestrator stand-ins list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """


@stand_ins.command("list")
@tenant_option
@click.option("--json", "as_json", is_flag=True, help="One JSON record per line.")
def list_stand_ins(tenant: str, as_json: bool) -> None:
    """List who stands in for whom, and until when.

    \b
    Examples:
      orchestrator stand-ins list --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    import asyncio

    from deployments.cli.views.stand_ins import print_stand_ins

    asyncio.run(print_stand_ins(tenant, as_json=as_json))


@stand_ins.command("name")
@click.argument("stand_in", type=Limited("Actor"))
@tenant_option
@click.option(
    "--as",
    "person",
    type=Limited("Actor"),
    required=True,
    envvar="ORCHESTRATOR_USER",
    show_envvar=True,
    help="Who is absent.",
)
@click.option("--role", "roles", multiple=True, help="A role of theirs; can be repeated.")
@click.option("--from", "begins", type=moment, help="When it begins.  [default: now]")
@click.option("--until", "ends", type=moment, required=True, help="When it ends.")
def name(
    stand_in: str,
    tenant: str,
    person: str,
    roles: tuple[str, ...],
    begins: datetime | None,
    ends: datetime,
) -> None:
    """STAND_IN decides where this person may, until a moment at most 90 days later.

    \b
    Examples:
      orchestrator stand-ins name bob --as ann --role sales-director --until 2026-12-24
    """
    import asyncio

    from deployments.cli.views.stand_ins import name_stand_in

    named = asyncio.run(name_stand_in(tenant, person, stand_in, roles, begins, ends))
    span = f"from {named.starts_at:%Y-%m-%d %H:%M}Z until {named.ends_at:%Y-%m-%d %H:%M}Z"
    click.echo(plain(f"{named.stand_in} decides for {named.person} {span}"))


@stand_ins.command("end")
@click.argument("person", type=Limited("Actor"))
@tenant_option
@as_option
def end(person: str, tenant: str, actor: str) -> None:
    """No one decides for PERSON any more.

    \b
    Examples:
      orchestrator stand-ins end ann --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    import asyncio

    from deployments.cli.views.stand_ins import end_stand_in

    asyncio.run(end_stand_in(tenant, person, actor))
    click.echo(plain(f"no one decides for {person} any more"))
