"""The mirror's part in approvals: time passes, what was not told is told, runs that missed a decision go on."""

import asyncio
import logging
from datetime import timedelta

from blocks import approvals
from blocks.approval_clock import wound_on
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records import ApprovalRecord
from blocks.ports import EventBus, FlowRuns, NotAbove, NotFound, RecordStore, Stored, Unavailable, Where
from blocks.queries import every, tenants

log = logging.getLogger(__name__)

_AT_ONCE = 16

_STUCK_AFTER = timedelta(seconds=15)
"""A run that is still suspended so long after its decision, although it was resumed, is run again from the top."""


class ApprovalSweep:
    """Looks after approvals that are pending or whose decision is not followed up; all of it is safe to do twice."""

    def __init__(self, store: RecordStore, bus: EventBus, flow_runs: FlowRuns) -> None:
        self._store = store
        self._bus = bus
        self._flow_runs = flow_runs
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def tend_approvals(self) -> int:
        """How many were not as they should be."""
        tended = 0
        for tenant_id in {*await tenants(self._store), ids.SYSTEM_TENANT}:
            owed = [
                stored
                async for stored in every(self._store, tenant_id, ApprovalRecord, _due())
                if _needs_something(stored.record)
            ]
            tended += len(owed)
            await asyncio.gather(*(self._tend(stored) for stored in owed))
        return tended

    async def _tend(self, stored: Stored[ApprovalRecord]) -> None:
        async with self._room:
            stored = await self._wind_on(stored)
            stored = await approvals.announce(self._store, self._bus, stored)
            if stored.record.status == "pending":
                return
            try:
                await self._follow(stored)
            except (Unavailable, NotFound) as error:
                # Prefect is away: time goes on for the others all the same.
                log.debug("approval %s is decided, and nothing follows yet: %s", stored.record.id, error)

    async def _wind_on(self, stored: Stored[ApprovalRecord]) -> Stored[ApprovalRecord]:
        before = stored.record
        after = await approvals.change(
            self._store, before.tenant_id, before.id, lambda approval: wound_on(approval, utc_now())
        )
        if after.record.version != before.version:
            log.info("approval %s is %s: %s", before.id, after.record.status, after.record.history[-1].what)
        return after

    async def _follow(self, stored: Stored[ApprovalRecord]) -> None:
        """The run goes on; if nothing waits for this decision any more, it is settled."""
        approval = stored.record
        execution = await approvals.waiting_execution(self._store, approval)
        if execution is None or approvals.verdict(await approvals.approvals_of(self._store, execution)) is None:
            await approvals.settle(self._store, stored)
            return
        if await approvals.resume(self._store, self._bus, self._flow_runs, approval):
            log.info("approval %s is %s: flow run %s goes on", approval.id, approval.status, execution.flow_run_id)
        elif approval.decided_at and approval.decided_at < utc_now() - _STUCK_AFTER:
            await self._free(execution.flow_run_id)

    async def _free(self, flow_run_id: str | None) -> None:
        """A suspended run that refuses to be resumed runs again.

        Prefect commits the suspension before the schema of its input; a worker that dies in between leaves a run that
        no resume can move.
        """
        suspended = await self._flow_runs.list_runs(states=("paused",))
        if any(run.id == flow_run_id for run in suspended):
            assert flow_run_id is not None
            await self._flow_runs.reschedule(flow_run_id, "it could not be resumed after its approval was decided")
            log.warning("flow run %s, suspended beyond resuming, runs again", flow_run_id)


def _due() -> Where:
    """Most approvals only wait: they are not even read."""
    return {"settled_at": None, "next_at": NotAbove(utc_now().timestamp())}


def _needs_something(approval: ApprovalRecord) -> bool:
    """Something is owed, or its time has come; or it was written before records said when to look again."""
    return approval.next_at is None or wound_on(approval, utc_now()) is not approval
