"""`orchestrator ops`"""

import click

from deployments.cli.commands.backups import backup


@click.group()
def ops() -> None:
    """Do maintenance now, in this process: without Prefect, and without a record.

    What runs by schedule, on events and on request leaves an execution; this is for a person at a
    terminal of the machine.

    \b
    Examples:
      orchestrator ops backup now
    """


ops.add_command(backup)
