"""The logs of phases are deleted when their time is over, by whichever API process leads."""

import logging
from datetime import timedelta

from blocks.claims.log_keeping import LogKeeping
from blocks.clock import utc_now
from blocks.ports import RecordStore
from blocks.processes.duties import again_and_again
from blocks.queries import tenants
from blocks.settings import Settings

log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0


async def keep_phase_logs(settings: Settings, store: RecordStore) -> None:
    """Looks until cancelled; what fails is tried again at the next look."""
    keeping, kept_for = LogKeeping(), timedelta(days=settings.claims.log_kept_days)

    async def forget() -> None:
        before = utc_now() - kept_for
        for tenant_id in await tenants(store):
            if forgotten := await keeping.forget(store, tenant_id, before):
                log.info("%d lines of the log of phases of %s are deleted", forgotten, tenant_id)

    await again_and_again("old logs of phases", forget, _EVERY_SECONDS, log)
