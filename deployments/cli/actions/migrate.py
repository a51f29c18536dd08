"""Converting the older service's documents from a terminal."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import click
import msgspec
from rich.progress import Progress, TextColumn

from blocks.migration.migrate import Migration, migrate
from blocks.migration.report import Tally
from blocks.ports import RecordStore, Unavailable
from blocks.services import open_store
from blocks.settings import load_settings
from deployments.cli.acts import audited
from deployments.printing import console, say_json, say_line, table_of


async def run_migration(
    tenant_id: str | None, *, apply: bool, closing: bool, actor: str
) -> list[Tally]:
    """Raises `ClickException` if the store does not answer: what was converted stays."""
    out = console()
    async with open_store(load_settings()) as store:

        def acting(tenant: str) -> AbstractAsyncContextManager[RecordStore]:
            return audited(store, tenant, "migrate", actor)

        migration = Migration(
            store=store, acting=acting if apply else None, closing=closing, tenant_id=tenant_id
        )
        with Progress(
            TextColumn("{task.description}"), console=out, disable=not out.is_terminal
        ) as progress:
            line = progress.add_task("looking")

            def seen(tally: Tally) -> None:
                progress.update(
                    line,
                    description=f"{tally.container}: {tally.found} documents, "
                    f"{tally.converted} converted",
                )

            try:
                return await migrate(migration, seen)
            except Unavailable as error:
                raise click.ClickException(
                    f"{error}; what was converted stays, repeat the command for the rest"
                ) from None


def print_report(tallies: Sequence[Tally], *, applied: bool, as_json: bool) -> None:
    """A table, and below it each document that was left for a reason of its own."""
    if as_json:
        for tally in tallies:
            say_json(msgspec.to_builtins(tally))
        return
    table = table_of(
        *("CONTAINER", "FOUND", "CONVERTED" if applied else "WOULD CONVERT", "ALREADY", "LEFT"),
        "WHY",
        wraps=("WHY",),
    )
    for tally in tallies:
        counts = (tally.found, tally.converted, tally.already, tally.left.total())
        why = "; ".join(f"{count} {reason}" for reason, count in tally.left.most_common())
        table.add_row(tally.container, *map(str, counts), why)
    console().print(table)
    for tally in tallies:
        for one in tally.named:
            say_line(f"left: {one.container} {one.id} of tenant {one.tenant_id}: {one.reason}")
        if tally.unnamed:
            say_line(f"left: {tally.unnamed} more of {tally.container}")
    if not applied:
        say_line("nothing was changed")
