"""The moment of each database's newest verified backup, and the age from which that is late, as
gauges, by the leader only.
"""

import logging
from typing import TYPE_CHECKING

from blocks.observability.metrics import operations as metrics
from blocks.ports import Unavailable
from blocks.processes.duties import again_and_again
from blocks.settings import Settings
from blocks.settings.operations.databases import databases_of

if TYPE_CHECKING:
    from blocks.operations.backups import Place

log = logging.getLogger(__name__)

_LOOK_SECONDS = 300.0


async def watch_backups(settings: Settings) -> None:
    """Looks until cancelled; then another process reports the gauges. Without a database that is
    backed up it returns.
    """
    if not databases_of(settings.operations.database_backup):
        return
    place: Place | None = None

    async def look() -> None:
        nonlocal place
        from blocks.operations.backups import place_of  # with PostgreSQL's driver

        place = place or place_of(settings)
        try:
            await look_at_backups(place)
        except Unavailable as error:
            log.warning("the age of backups is not known now: %s", error)

    try:
        await again_and_again("ages of backups", look, _LOOK_SECONDS, log)
    finally:
        metrics.BACKUP_VERIFIED.clear()
        metrics.BACKUP_LATE_AFTER.clear()


async def look_at_backups(place: "Place") -> None:
    """Sets the gauges; the moment is 0 for a database of which no backup is verified."""
    from blocks.operations.backups import newest_verified

    for database in place.databases:
        newest = await newest_verified(place.files, database.name)
        moment = newest.taken_at.timestamp() if newest else 0
        metrics.BACKUP_VERIFIED.labels(database.name).set(moment)
        metrics.BACKUP_LATE_AFTER.labels(database.name).set(place.part.late_hours * 3600)
