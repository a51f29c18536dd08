"""Executions that have ended without their terminal event being confirmed by the broker. Whoever
ended one announces it last: what else was to be done is done here, too.
"""

import logging
from contextlib import suppress
from datetime import timedelta

from api.reconciler.drift import Drift
from blocks.actions.cancelling import end_suspended_run, withdraw_approvals
from blocks.clock import utc_now
from blocks.contracts import workflows
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import TERMINAL
from blocks.executions import transitions
from blocks.ports import Stored, Unavailable
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
        await self._let_go_of_people(stored.record)
        await transitions.announce(self._parts.store, self._parts.bus, [stored])
        log.info("announced the end of execution %s, which was owed", stored.record.id)
        return True

    async def _let_go_of_people(self, ended: ExecutionRecord) -> None:
        """No person is asked for it any more, and no run waits for one. Prompts belong to claims,
        which may go on after their journey.
        """
        if ended.status != "cancelled" and workflows.has_prompts(ended.workflow):
            return
        why = ended.error or "the execution has ended"
        if await withdraw_approvals(self._parts.store, ended, why) or ended.approval_ids:
            await self._end_its_suspended_run(ended)

    async def _end_its_suspended_run(self, ended: ExecutionRecord) -> None:
        """One that is suspended has no other execution. Left so, it does no harm."""
        runs = self._parts.flow_runs
        with suppress(Unavailable):
            for run in await runs.read_runs([ended.flow_run_id] if ended.flow_run_id else []):
                if run.state == "paused" and run.execution_ids == [ended.id]:
                    await end_suspended_run(runs, ended)

    def _is_overdue(self, record: ExecutionRecord, held: frozenset[str]) -> bool:
        is_held = (
            record.flow_run_id is None or record.flow_run_id in held or self._parts.workers.is_blind
        )
        return record.updated_at <= utc_now() - (GRACE if is_held else GRACE_OF_THE_DEAD)
