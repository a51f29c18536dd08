"""How old the newest verified backup of each database is."""

import asyncio
from datetime import timedelta

from blocks.clock import utc_now
from blocks.operations.backups import Place, newest_verified, place_of
from blocks.operations.work import NotConfigured
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, failed, in_words, ok, warning

PART = "backups"


async def backups(connections: Connections) -> list[Finding]:
    """A line for each database that is backed up."""
    try:
        place = place_of(connections.settings)
    except NotConfigured as reason:
        return [ok(PART, str(reason))]
    names = [database.name for database in place.databases]
    return list(await asyncio.gather(*(_of(place, name) for name in names)))


async def _of(place: Place, database: str) -> Finding:
    todo = "`orchestrator ops backup now`; docs/runbooks/backup-failed.md"
    newest = await newest_verified(place.files, database)
    if newest is None:
        return failed(PART, f"{database}: no verified backup", todo)
    age = utc_now() - newest.taken_at
    found = f"{database}: {newest.name} is verified, {in_words(age)} old"
    is_late = age > timedelta(hours=place.part.late_hours)
    return warning(PART, found, todo) if is_late else ok(PART, found)
