"""The backups that there are."""

from blocks.operations.backups import Backup, backups, place_of
from blocks.settings import load_settings
from deployments.cli.actions.backups import chosen
from deployments.printing import Cell, console, say_json, say_line, styled, table_of


async def print_backups(names: tuple[str, ...], *, as_json: bool) -> None:
    place = place_of(load_settings())
    found = [
        backup
        for database in chosen(place, names)
        async for backup in backups(place.files, database.name)
    ]
    if as_json:
        for backup in found:
            say_json(backup)
        return
    if not found:
        say_line("there are no backups: `orchestrator ops backup now` makes one")
        return
    table = table_of("NAME", "TAKEN AT", "STATE", "VERIFIED AT", "SIZE", "TABLES", "ROWS")
    for backup in found:
        table.add_row(*_row(backup))
    console().print(table)


def _row(backup: Backup) -> tuple[Cell, ...]:
    evidence, state = backup.evidence, _state(backup)
    taken_at = f"{backup.taken_at:%Y-%m-%d %H:%M:%S}"
    if evidence is None:
        return backup.name, taken_at, state
    return (
        backup.name,
        taken_at,
        state,
        f"{evidence.verified_at:%Y-%m-%d %H:%M:%S}",
        f"{evidence.bytes / 1e6:,.1f} MB",
        f"{evidence.tables:,}",
        f"{evidence.rows:,}",
    )


def _state(backup: Backup) -> Cell:
    if backup.is_verified:
        return styled("verified", "green")
    if backup.evidence and backup.evidence.differences:
        return styled("differs", "red")
    return styled("unverified", "yellow")
