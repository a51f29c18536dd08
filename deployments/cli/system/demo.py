"""`orchestrator demo`, `orchestrator demo claims`, `orchestrator demo operations`"""

import click

from deployments.cli.arguments import Finite
from deployments.cli.parameters import uuid

tenant_option = click.option(
    "--tenant",
    type=uuid,
    default="7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10",
    show_default=True,
    help="For whom.",
)


@click.group(invoke_without_command=True)
@tenant_option
@click.option("--opportunity", type=uuid, help="Which opportunity; a new one if not given.")
@click.option(
    "--timeout",
    type=Finite(1, 86_400),
    default=60.0,
    show_default=True,
    help="Seconds to wait for the end.",
)
@click.pass_context
def demo(context: click.Context, tenant: str, opportunity: str | None, timeout: float) -> None:
    """Watch the analysis of one demo opportunity, the recovery of a demo user's claims, or the
    platform's operations.

    Publishes an opportunity event, shows the progress of its four steps and the record it leaves.
    Uses the stack that runs here; if none does, starts one and stops it at the end.

    \b
    Examples:
      orchestrator demo
      orchestrator demo --tenant 1c0f5a52-5b5e-4a8e-9a43-0a5f7a3d2b11 --timeout 120
      orchestrator demo claims
      orchestrator demo operations
    """
    if context.invoked_subcommand is not None:
        _refuse_options_before_the_name(context)
        return
    import asyncio
    from uuid import uuid4

    from blocks.settings import load_settings
    from deployments.cli.demo.run import run_demo

    asyncio.run(
        run_demo(load_settings(), tenant, opportunity or str(uuid4()), limit_seconds=timeout)
    )


@demo.command("claims")
@tenant_option
@click.option(
    "--answer",
    type=click.Choice(["confirm", "reject"]),
    help="Answer the question about evidence so, instead of asking at the terminal.",
)
@click.option(
    "--timeout",
    type=Finite(1, 86_400),
    default=120.0,
    show_default=True,
    help="Seconds that each phase may take; your time to answer does not count.",
)
def claims(tenant: str, answer: str | None, timeout: float) -> None:
    """Watch the recovery of one demo user's claims, phase by phase.

    Connects the account of a new user, shows what is found and where each claim goes, asks you
    whether a document proves a claim, pays out one claim and shows where its proof packet is.
    Uses the stack that runs here; if none does, starts one and stops it at the end.

    \b
    Examples:
      orchestrator demo claims
      orchestrator demo claims --answer reject
      make demo ARGS="claims --answer confirm"
    """
    import asyncio

    from blocks.settings import load_settings
    from deployments.cli.demo.claims import run_claims_demo

    asyncio.run(run_claims_demo(load_settings(), tenant, answer=answer, limit_seconds=timeout))


@demo.command("operations")
@click.option(
    "--timeout",
    type=Finite(1, 86_400),
    default=120.0,
    show_default=True,
    help="Seconds for which nothing may happen.",
)
def operations(timeout: float) -> None:
    """Watch the ten operations do their work, on nothing that is yours.

    Starts a stack of its own beside any that runs, with simulated services, log files in a folder
    of the demo, and a PostgreSQL and a Redis if these are installed; none of your settings counts
    but ORCHESTRATOR_DATA_DIR, where that folder is. Shows what each operation did and where to see
    it in Prefect, and stops the stack at the end.

    \b
    Examples:
      orchestrator demo operations
      make demo ARGS=operations
    """
    import asyncio
    from pathlib import Path

    from blocks.settings import load_settings
    from deployments.cli.demo.operations.run import run_operations_demo

    place = Path(load_settings().data_dir).absolute() / "demo-operations"
    asyncio.run(run_operations_demo(place, limit_seconds=timeout))


def _refuse_options_before_the_name(context: click.Context) -> None:
    """They would be of the other demo, and without effect."""
    name = context.invoked_subcommand
    for given in context.params:
        if context.get_parameter_source(given) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"options of this demo follow its name: demo {name} --{given} …")
