"""Executions that were accepted and are in no flow run.

Listeners dispatch, and their own sweep finds what a crashed one left behind. That sweep cannot see
a run that was created and then vanished from Prefect before a worker claimed it: dispatchers are
notified of its executions.
"""

import logging
from datetime import timedelta

import msgspec

from api.reconciler.drift import Drift, Parts
from blocks import signals
from blocks.clock import utc_now
from blocks.contracts import workflows
from blocks.contracts.records import ExecutionRecord
from blocks.executions.carried import carried_by, unended_runs
from blocks.ports import Between, FlowRunView, Query
from blocks.queries import tenants
from blocks.tenants.dispatch_policy import read_policy
from blocks.tenants.running_limits import count_running, room

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=30)

AT_ONCE = 100
"""So many are named in one look; dispatching them takes longer than the time to the next."""


OLDEST_OF_A_TENANT = 200


class Undispatched(Drift[ExecutionRecord]):
    """A dispatcher is notified and dispatches it again. One that waits for its turn is no drift."""

    kind = "undispatched"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._notified: frozenset[str] = frozenset()

    async def find(self) -> list[ExecutionRecord]:
        waiting = await self._waiting()
        if waiting:
            runs = await unended_runs(self._parts.flow_runs)
            waiting = await self._without_a_run(waiting, runs)
        self._notified &= {record.id for record in waiting}
        return waiting[:AT_ONCE]

    async def act(self, record: ExecutionRecord) -> bool:
        opened = signals.Opened(
            record.tenant_id, record.id, record.priority, record.workflow, subject=record.subject
        )
        await self._parts.bus.broadcast(signals.EXECUTION_OPENED, msgspec.json.encode(opened))
        if record.id in self._notified:
            return False  # no dispatcher has received it yet: notified again, counted once
        self._notified |= {record.id}
        log.warning("execution %s is pending and in no flow run: its dispatch was lost", record.id)
        return True

    async def _waiting(self) -> list[ExecutionRecord]:
        """The oldest of each tenant: a backlog of thousands behind them only waits for its turn."""
        accepted_before = utc_now() - GRACE
        pending = {"status": "pending", "created_at": Between(until=accepted_before)}
        return [
            stored.record
            for tenant_id in await tenants(self._parts.store)
            for stored in (
                await self._parts.store.query(
                    tenant_id,
                    Query(
                        ExecutionRecord,
                        pending,
                        newest_first=False,
                        limit=OLDEST_OF_A_TENANT,
                        skips_unreadable=True,
                    ),
                )
            ).items
            if stored.record.waiting_since <= accepted_before
            and workflows.is_dispatched(stored.record.workflow)
        ]

    async def _without_a_run(
        self, waiting: list[ExecutionRecord], runs: list[FlowRunView]
    ) -> list[ExecutionRecord]:
        """Not: those in a run, those of tenants whose turn comes with the start of a run, or whose
        limit is reached.
        """
        unstarted = [run for run in runs if run.state != "running"]
        if len(unstarted) >= self._parts.settings.dispatch.runs_in_flight_max:
            return []
        carried = carried_by(runs)
        held_up = {run.tenant_id for run in unstarted} | await self._at_their_limit(waiting)
        return [
            record
            for record in waiting
            if record.id not in carried and record.tenant_id not in held_up
        ]

    async def _at_their_limit(self, waiting: list[ExecutionRecord]) -> set[str]:
        policy = await read_policy(self._parts.store)
        tenant_ids = {record.tenant_id for record in waiting}
        running = await count_running(self._parts.store, policy, tenant_ids)
        return {tenant_id for tenant_id in tenant_ids if room(policy, running, tenant_id) == 0}
