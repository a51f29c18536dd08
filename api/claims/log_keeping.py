"""The logs of phases are deleted when their time is over, by whichever API process leads."""

import asyncio
import logging
from datetime import timedelta

from blocks.claims.log_keeping import LogKeeping
from blocks.clock import utc_now
from blocks.ports import RecordStore, Unavailable
from blocks.queries import tenants
from blocks.settings import Settings

log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0


async def keep_phase_logs(settings: Settings, store: RecordStore) -> None:
    """Looks until cancelled; what fails is tried again at the next look."""
    keeping, kept_for = LogKeeping(), timedelta(days=settings.claims.log_kept_days)
    while True:
        try:
            await _forget(keeping, store, kept_for)
        except Unavailable as error:
            log.debug("old logs of phases are deleted later: %s", error)
        except Exception:
            log.exception("old logs of phases could not be deleted")
        await asyncio.sleep(_EVERY_SECONDS)


async def _forget(keeping: LogKeeping, store: RecordStore, kept_for: timedelta) -> None:
    before = utc_now() - kept_for
    for tenant_id in await tenants(store):
        if forgotten := await keeping.forget(store, tenant_id, before):
            log.info("%d lines of the log of phases of %s are deleted", forgotten, tenant_id)
