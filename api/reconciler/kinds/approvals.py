"""Approvals: the timers of pending ones, and the effects of decided ones."""

import logging
from abc import abstractmethod
from datetime import timedelta

from api.reconciler.drift import Drift
from blocks import deciding
from blocks.approvals import lifecycle
from blocks.approvals.timers import apply_timers
from blocks.clock import utc_now
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.states import ApprovalStatus
from blocks.ports import NotAbove, NotFound, Stored, Unavailable
from blocks.queries import all_tenants, every

log = logging.getLogger(__name__)

_EVERY_SECONDS = 3.0
"""How late time passes, and how long a lost resume can hold a decided execution back."""

_STUCK_AFTER = timedelta(seconds=15)
"""A run that is still suspended so long after its decision, although it was resumed, is run again
from the top.
"""

_DECIDED: tuple[ApprovalStatus, ...] = ("approved", "rejected", "expired", "cancelled")


class _Untended(Drift[Stored[ApprovalRecord]]):
    """Approvals without `settled_at`, in one of some states."""

    statuses: tuple[ApprovalStatus, ...]

    @property
    def every_seconds(self) -> float:
        return min(_EVERY_SECONDS, super().every_seconds)

    async def find(self) -> list[Stored[ApprovalRecord]]:
        # Most approvals only wait: they are not even read.
        due = {
            "settled_at": None,
            "status": self.statuses,
            "next_at": NotAbove(utc_now().timestamp()),
        }
        return [
            stored
            for tenant_id in await all_tenants(self._parts.store)
            async for stored in every(
                self._parts.store, tenant_id, ApprovalRecord, due, skips_unreadable=True
            )
            if self._needs_something(stored.record)
        ]

    @abstractmethod
    def _needs_something(self, approval: ApprovalRecord) -> bool: ...

    async def _follow_up(self, stored: Stored[ApprovalRecord]) -> bool:
        """The effects of the decision are applied, if any are due; without Prefect, later."""
        try:
            return await self._followed(stored)
        except (Unavailable, NotFound) as error:
            log.debug(
                "approval %s is decided, and nothing follows yet: %s", stored.record.id, error
            )
            return False

    async def _followed(self, stored: Stored[ApprovalRecord]) -> bool:
        """What waits for it goes on; if nothing does any more, it is settled."""
        approval, store = stored.record, self._parts.store
        if await deciding.settle_at_once(store, self._parts.bus, stored):
            return True
        execution = await lifecycle.waiting_execution(store, approval)
        if (
            execution is None
            or lifecycle.verdict(await lifecycle.approvals_of(store, execution)) is None
        ):
            await lifecycle.settle(store, stored)
            return True
        if await lifecycle.resume(store, self._parts.bus, self._parts.flow_runs, approval):
            log.info(
                "approval %s is %s: flow run %s goes on",
                approval.id,
                approval.status,
                execution.flow_run_id,
            )
            return True
        is_stuck = approval.decided_at and approval.decided_at < utc_now() - _STUCK_AFTER
        return bool(is_stuck) and await self._free(execution)

    async def _free(self, execution: ExecutionRecord) -> bool:
        """A suspended run that refuses to be resumed runs again.

        Prefect commits the suspension before the schema of its input; a worker that dies in between
        leaves a run that no resume can move.
        """
        if execution.flow_run_id is None:
            return False
        flow_runs = self._parts.flow_runs
        suspended = [
            run
            for run in await flow_runs.read_runs([execution.flow_run_id])
            if run.state == "paused"
        ]
        for run in suspended:
            await flow_runs.reschedule(
                run, "it could not be resumed after its approval was decided"
            )
            log.warning("flow run %s, suspended beyond resuming, runs again", run.id)
        return bool(suspended)


class OverdueApprovals(_Untended):
    """Pending ones that are due: they expire, remind or escalate, and that is published."""

    kind = "overdue_approval"
    statuses = ("pending",)

    async def act(self, stored: Stored[ApprovalRecord]) -> bool:
        before = stored.record
        stored = await self._wound_on(before)
        stored = await lifecycle.announce(self._parts.store, self._parts.bus, stored)
        if stored.record.status != "pending":
            await self._follow_up(stored)
        return stored.record != before

    def _needs_something(self, approval: ApprovalRecord) -> bool:
        """An event or a timer is due; or the record is older than the field `next_at`."""
        return approval.next_at is None or apply_timers(approval, utc_now()) is not approval

    async def _wound_on(self, before: ApprovalRecord) -> Stored[ApprovalRecord]:
        after = await lifecycle.change(
            self._parts.store,
            before.tenant_id,
            before.id,
            lambda approval: apply_timers(approval, utc_now()),
        )
        if after.record.version != before.version:
            log.info(
                "approval %s is %s: %s",
                before.id,
                after.record.status,
                after.record.history[-1].what,
            )
        return after


class UnfollowedApprovals(_Untended):
    """Decided ones whose decision is not published, or whose execution is still suspended."""

    kind = "unfollowed_approval"
    statuses = _DECIDED

    async def act(self, stored: Stored[ApprovalRecord]) -> bool:
        announced = await lifecycle.announce(self._parts.store, self._parts.bus, stored)
        was_due = announced.record != stored.record
        return await self._follow_up(announced) or was_due

    def _needs_something(self, approval: ApprovalRecord) -> bool:
        return True
