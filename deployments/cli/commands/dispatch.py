"""`orchestrator dispatch show | set | reset`"""

import click

from deployments.cli.actor import as_option
from deployments.cli.arguments import Finite
from deployments.cli.parameters import uuid

tenant_option = click.option(
    "--tenant", type=uuid, help="Whose share; without it, the default for all others."
)


class Limit(click.ParamType[int | None]):
    """A whole number, or `none`."""

    name = "NUMBER|none"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if value == "none":
            return None
        try:
            number = int(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a number nor `none`.", param, ctx)
        if (
            not 0 <= number < 2**53
        ):  # as blocks.contracts.reading.limits has it, which would have to be imported
            self.fail(f"{number} is not from 0 to {2**53 - 1}.", param, ctx)
        return number


@click.group()
def dispatch() -> None:
    """Share the system among tenants, while it runs.

    \b
    Examples:
      orchestrator dispatch show
      orchestrator dispatch set --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10 --weight 3 --running-max 200
    """


@dispatch.command("show")
def show() -> None:
    """Show the policy in force, and what waits and runs.

    \b
    Examples:
      orchestrator dispatch show
    """
    import asyncio

    from deployments.cli.views.dispatch import print_policy

    asyncio.run(print_policy())


@dispatch.command("set")
@tenant_option
@click.option("--weight", type=Finite(0, 1000, min_open=True), help="Share in relation to others.")
@click.option(
    "--priority", type=click.IntRange(-100, 100), help="Higher ones go first, whatever the weights."
)
@click.option(
    "--running-max", type=Limit(), help="At most so many executions of the tenant run at once."
)
@click.option(
    "--total-running-max",
    type=Limit(),
    help="At most so many executions of all tenants run at once.",
)
@click.option(
    "--batch-max", type=Limit(), help="At most so many executions share a flow run (1 to 1000)."
)
@as_option
@click.pass_context
def set_policy(context: click.Context, /, tenant: str | None, actor: str, **stated: object) -> None:
    """Change the policy; what is not named stays as it is. In force within a second.

    \b
    Examples:
      orchestrator dispatch set --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10 --weight 3
      orchestrator dispatch set --running-max 500                 every tenant without a share of its own
      orchestrator dispatch set --total-running-max none
    """
    import asyncio

    from deployments.cli.views.dispatch import change, print_policy

    given = {
        name: value
        for name, value in stated.items()
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }
    if not given:
        raise click.UsageError("Nothing to change: name a weight, a priority or a limit.")
    if given.get("batch_max") == 0 or (
        isinstance(size := given.get("batch_max"), int) and size > 1000
    ):
        raise click.BadParameter("a batch has 1 to 1000 executions.", param_hint="--batch-max")
    asyncio.run(change(tenant, given, actor))
    asyncio.run(print_policy())


@dispatch.command("reset")
@click.option("--tenant", type=uuid, required=True, help="Whose share.")
@as_option
def reset(tenant: str, actor: str) -> None:
    """Take a tenant's own share away; the default holds for it again.

    \b
    Examples:
      orchestrator dispatch reset --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
    """
    import asyncio

    from deployments.cli.views.dispatch import print_policy, reset_share

    asyncio.run(reset_share(tenant, actor))
    asyncio.run(print_policy())
