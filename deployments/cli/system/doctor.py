"""`orchestrator doctor`"""

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option(
    "--fix",
    is_flag=True,
    help="First do the reconciler's repairs once, and say how many of each kind.",
)
def doctor(as_json: bool, fix: bool) -> None:
    """Examine every part of a running system.

    Versions, store, broker and queues, Prefect with its deployments and schedules, our processes,
    overdue work, clocks, and the reconciler: one line each, what was found and what to do. Nothing
    is changed without --fix.

    Exit code, as monitoring expects of a plugin: 0 all is well, 1 warnings, 2 something does not
    work.

    \b
    Examples:
      orchestrator doctor
      orchestrator doctor --fix
      orchestrator doctor --json | jq '.findings[] | select(.state != "ok")'
    """
    import asyncio
    import sys
    import warnings

    from blocks.settings import load_settings
    from deployments.prefect.server import use_prefect

    settings = use_prefect(load_settings())
    # Prefect's, of a home folder that it cannot make before there is a data folder
    warnings.simplefilter("ignore")
    from deployments.doctor.visit import visit  # imports Prefect, which reads what was just set

    sys.exit(asyncio.run(visit(settings, as_json=as_json, fix=fix)))
