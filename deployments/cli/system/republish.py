"""`orchestrator republish`"""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from deployments.cli.parameters import moment

if TYPE_CHECKING:
    from collections import Counter


@click.command()
@click.option(
    "--since",
    type=moment,
    required=True,
    metavar="TIME",
    help="When the oldest lost message may have been published.",
)
@click.option(
    "--begun-since",
    type=moment,
    metavar="TIME",
    help="When the oldest execution or approval began that may have one.  [default: a day before]",
)
def republish(since: datetime, begun_since: datetime | None) -> None:
    """Publish again what a broker has lost, under the same ids.

    From the records: ends of executions, approvals' events, phases of claims, triggers of jobs that
    are not reported, and the requests that running analyses wait for. Whoever has an event already
    knows its id. It can be repeated, and changes no record.

    \b
    Examples:
      orchestrator republish --since 2026-03-02T09:15:00Z
      orchestrator republish --since 2026-03-02T09:15:00Z --begun-since 2026-02-01
    """
    import asyncio

    from deployments.printing import console, table_of

    table = table_of("EVENT", "PUBLISHED AGAIN")
    for event_type, count in sorted(asyncio.run(_republish(since, begun_since)).items()):
        table.add_row(event_type, str(count))
    console().print(table)


async def _republish(since: datetime, begun_since: datetime | None) -> "Counter[str]":
    from blocks import republishing
    from blocks.ports import Unroutable
    from blocks.services import open_bus, open_store
    from blocks.settings import load_settings

    settings = load_settings()
    async with open_store(settings) as store, open_bus(settings, "republish") as bus:
        try:
            return await republishing.republish(store, bus, since, begun_since)
        except Unroutable as error:
            raise click.ClickException(f"{error}; run `orchestrator bootstrap` first") from None
