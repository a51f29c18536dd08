"""Executions that have ended without their terminal event being confirmed by the broker."""

import logging
from datetime import timedelta

from api.reconciler.drift import Drift
from blocks.clock import utc_now
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import TERMINAL
from blocks.executions import transitions
from blocks.ports import Stored
from blocks.queries import all_tenants, every

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=25)
"""The process that ends an execution announces it, slowly under load; the promise is a minute."""

GRACE_OF_THE_DEAD = timedelta(seconds=5)
"""If no living worker holds the execution's run any more, no other process will announce it."""


class Unannounced(Drift[Stored[ExecutionRecord]]):
    kind = "unannounced"

    async def find(self) -> list[Stored[ExecutionRecord]]:
        owed = [
            stored
            for tenant_id in await all_tenants(self._parts.store)
            async for stored in every(
                self._parts.store,
                tenant_id,
                ExecutionRecord,
                {"status": TERMINAL, "announced_at": None},
                skips_unreadable=True,
            )
        ]
        if not owed:
            return []
        held = (await self._parts.workers.call()).held
        return [stored for stored in owed if self._is_overdue(stored.record, held)]

    async def act(self, stored: Stored[ExecutionRecord]) -> bool:
        await transitions.announce(self._parts.store, self._parts.bus, [stored])
        log.info("announced the end of execution %s, which was owed", stored.record.id)
        return True

    def _is_overdue(self, record: ExecutionRecord, held: frozenset[str]) -> bool:
        is_held = (
            record.flow_run_id is None or record.flow_run_id in held or self._parts.workers.is_blind
        )
        return record.updated_at <= utc_now() - (GRACE if is_held else GRACE_OF_THE_DEAD)
