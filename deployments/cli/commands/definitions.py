"""`orchestrator definitions show | set | reset`"""

from typing import BinaryIO

import click

from deployments.cli.actor import as_option
from deployments.cli.commands.executions import tenant_option
from deployments.cli.over_http import answered


def _definable(_: click.Context, __: click.Parameter, name: str) -> str:
    from blocks.contracts.workflows import definable

    if name not in definable():
        raise click.BadParameter(f"{name!r} cannot be defined; there is: {', '.join(definable())}")
    return name


version_option = click.option(
    "--if-version", type=click.IntRange(0, 2**53 - 1), help="Only if it is at this version."
)
workflow_option = click.option(
    "--workflow", default="opportunity-analysis", show_default=True, callback=_definable
)
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON, for other programs.")


@click.group()
def definitions() -> None:
    """Configure a tenant's workflow: steps, deadlines, approval rule, on or off.

    \b
    Examples:
      orchestrator definitions show --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator definitions set rule.yaml --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """


@definitions.command("show")
@tenant_option
@workflow_option
@json_option
def show(tenant: str, workflow: str, as_json: bool) -> None:
    """Show the definition for executions that start now.

    \b
    Examples:
      orchestrator definitions show --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    from deployments.cli.remote import definitions as remote
    from deployments.cli.views.definitions import print_definition, read

    print_definition(answered(read, remote.read)(tenant, workflow), as_json=as_json)


@definitions.command("set")
@click.argument("file", type=click.File("rb"))
@tenant_option
@workflow_option
@as_option
@version_option
@json_option
def set_definition(
    file: BinaryIO, tenant: str, workflow: str, actor: str, if_version: int | None, as_json: bool
) -> None:
    """Set the definition from FILE (YAML or JSON; - is stdin).

    What FILE leaves out is the platform's default.

    \b
    Examples:
      orchestrator definitions set rule.yaml --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      echo '{"enabled": false}' | orchestrator definitions set - --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    from deployments.cli.remote import definitions as remote
    from deployments.cli.views.definitions import print_definition, write

    definition = answered(write, remote.write)(tenant, workflow, file.read(), actor, if_version)
    print_definition(definition, as_json=as_json)


@definitions.command("reset")
@tenant_option
@workflow_option
@as_option
@version_option
@json_option
def reset(tenant: str, workflow: str, actor: str, if_version: int | None, as_json: bool) -> None:
    """Go back to the platform's defaults.

    \b
    Examples:
      orchestrator definitions reset --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    from deployments.cli.remote import definitions as remote
    from deployments.cli.views.definitions import print_definition, reset

    definition = answered(reset, remote.reset)(tenant, workflow, actor, if_version)
    print_definition(definition, as_json=as_json)
