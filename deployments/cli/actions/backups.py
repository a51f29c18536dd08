"""Backups made, verified and restored from the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import click
import msgspec

from blocks.clock import utc_now
from blocks.observability.plain_text import plain
from blocks.operations import backups
from blocks.operations.backups import Evidence, Place
from blocks.ports import Unavailable
from blocks.settings import load_settings
from blocks.settings.operations.databases import Database
from deployments.cli.actions.following import bar
from deployments.printing import PlainConsole, console, facts_of, say_json, say_line, styled

PARTS_OF_BACKUP, PARTS_OF_VERIFICATION, PARTS_OF_RESTORE = 6, 3, 2
"""So many lines each reports, one at the beginning of each of its parts."""


async def back_up(names: tuple[str, ...], *, as_json: bool) -> None:
    """Each database has a new verified backup. Raises `ClickException` with those that have not."""
    failed: list[str] = []
    with at_work(PARTS_OF_BACKUP, len(names), as_json=as_json) as (place, out):
        databases = chosen(place, names)
        for database in databases:
            try:
                await _back_up_one(place, database, out, as_json=as_json)
            except (backups.BackupFailed, Unavailable) as error:
                failed.append(str(error))
    if failed:
        count = f"{len(failed)} of {len(databases)} not backed up: " if len(databases) > 1 else ""
        raise click.ClickException(count + "; ".join(failed))


async def verify_one(name: str, *, as_json: bool) -> None:
    with at_work(PARTS_OF_VERIFICATION, 1, as_json=as_json) as (place, out):
        evidence = await backups.verify(place, name)
        _show(evidence, out, as_json=as_json)


async def restore_one(
    name: str, into: str | None, *, replace: bool, owners: bool, as_json: bool
) -> None:
    with at_work(PARTS_OF_RESTORE, 1, as_json=as_json) as (place, _):
        restored = await backups.restore(place, name, into, replace=replace, owners=owners)
    if as_json:
        say_json(msgspec.to_builtins(restored) | {"database": str(restored.database)})
        return
    say_line(
        f"{name} is restored into {restored.database}: {restored.tables:,} tables, "
        f"{restored.rows:,} rows"
    )
    for difference in restored.differences:
        say_line(f"beside the backup: {difference}")


def chosen(place: Place, names: tuple[str, ...]) -> tuple[Database, ...]:
    """Those of these names, or all."""
    return tuple(map(place.database, names)) or place.databases


@contextmanager
def at_work(parts: int, databases: int, *, as_json: bool) -> Iterator[tuple[Place, PlainConsole]]:
    """The place of the settings; what is being done is shown: a line each, at a terminal the last
    one beside a bar of so many parts for each of the databases (0: of all). What is printed to the
    console stands above the bar.
    """
    settings, out = load_settings(), console()
    if not out.is_terminal or as_json:
        yield backups.place_of(settings, _nothing if as_json else say_line), out
        return
    total = parts * (databases or len(backups.place_of(settings).databases))
    with bar(out, total) as progress:
        [task], begun = progress.task_ids, count()

        def report(line: str) -> None:
            progress.update(task, completed=next(begun), description=plain(line))

        yield backups.place_of(settings, report), out
        progress.update(task, completed=total, description="done")


async def _back_up_one(
    place: Place, database: Database, out: PlainConsole, *, as_json: bool
) -> None:
    name = backups.backup_name(database.name, utc_now())
    await backups.create(place, database, name)
    evidence = await backups.store(place, database, name)
    cleaned = await backups.clean(place, database)
    _show(evidence, out, as_json=as_json)
    if not as_json and (gone := [*cleaned.expired, *cleaned.left_behind]):
        out.print(styled(f"deleted: {', '.join(gone)}", None))


def _show(evidence: Evidence, out: PlainConsole, *, as_json: bool) -> None:
    if as_json:
        say_json(evidence)
        return
    facts = {
        "verified": evidence.name,
        "size": f"{evidence.bytes / 1e6:,.1f} MB",
        "tables": f"{evidence.tables:,}",
        "rows": f"{evidence.rows:,}",
        "took": f"{evidence.seconds:g} s",
    }
    out.print(facts_of(facts))


def _nothing(line: str) -> None:
    """Other programs read the result alone."""
