"""Executions are deleted when their time is over, by whichever API process leads."""

import asyncio
import logging
from datetime import timedelta

from blocks.clock import utc_now
from blocks.executions.retention import Retention
from blocks.ports import RecordStore
from blocks.processes.duties import again_and_again
from blocks.queries import all_tenants
from blocks.settings import Settings

log = logging.getLogger(__name__)

_EVERY_SECONDS = 600.0
_PAUSE_SECONDS = 5.0
"""Between two looks at a backlog: the requests that delete it are not to crowd out others."""


async def delete_old_executions(settings: Settings, store: RecordStore) -> None:
    """Looks until cancelled; what fails is tried again at the next look. Without a time that
    executions are kept it returns.
    """
    kept_days = settings.executions.kept_days
    if kept_days == 0:
        return
    retention, kept_for = Retention(), timedelta(days=kept_days)

    async def look_through() -> None:
        """At all tenants' by turns, until none has more."""
        left = await all_tenants(store)
        while left:
            before = utc_now() - kept_for
            for tenant_id in left:
                if deleted := await retention.delete(store, tenant_id, before):
                    log.info("%d old executions of %s are deleted", deleted, tenant_id)
            left = set(filter(retention.has_more, left))
            await asyncio.sleep(_PAUSE_SECONDS)

    await again_and_again("old executions", look_through, _EVERY_SECONDS, log)
