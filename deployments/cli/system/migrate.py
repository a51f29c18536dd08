"""`orchestrator migrate`"""

import click

from deployments.cli.actor import as_option
from deployments.cli.parameters import uuid


@click.command()
@click.option("--dry-run", is_flag=True, help="Count and report; change nothing.")
@click.option("--apply", is_flag=True, help="Convert.")
@click.option("--tenant", type=uuid, help="Only of this tenant.  [default: all]")
@click.option(
    "--running",
    type=click.Choice(["leave", "fail"]),
    default="leave",
    show_default=True,
    help="Workflows under way: leave them as they are, or close them as failed.",
)
@as_option
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per container, for other programs."
)
def migrate(
    dry_run: bool, apply: bool, tenant: str | None, running: str, actor: str, as_json: bool
) -> None:
    """Convert what the older orchestrator left in the store into records of ours.

    Approvals and workflows work without it, too; it makes lists of them cheaper, and workflows
    appear among executions. Nothing is deleted, and the older service can still read its documents.
    What was stopped can be repeated.

    \b
    Examples:
      orchestrator migrate --dry-run
      orchestrator migrate --apply --tenant 7b7e5d1e-3d0c-4c57-9d5e-0d3f6d1f2a10
      orchestrator migrate --apply --running fail     once the older service has stopped for good
    """
    import asyncio

    from deployments.cli.actions.migrate import print_report, run_migration

    if dry_run == apply:
        raise click.UsageError("Choose --dry-run to look, or --apply to convert.")
    tallies = asyncio.run(
        run_migration(tenant, apply=apply, closing=running == "fail", actor=actor)
    )
    print_report(tallies, applied=apply, as_json=as_json)
