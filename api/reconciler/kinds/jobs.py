"""Batch jobs: accepted triggers that were not sent, and runs whose end is not reported."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

from api.reconciler.drift import Drift
from blocks.clock import utc_now
from blocks.contracts import ids, jobs, rejections
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import InvalidTransition
from blocks.executions import transitions
from blocks.jobs import triggers
from blocks.jobs.shown import show_in_prefect
from blocks.ports import RecordStore, Stale, Stored, UnreadableRecord
from blocks.queries import every

log = logging.getLogger(__name__)

SEND_GRACE = timedelta(seconds=30)
"""A manual trigger is sent by the process that accepts it; after so long, by the reconciler."""

JOB_LIMIT = timedelta(hours=2)
"""For a job that is no longer in the table."""


class UnsentTriggers(Drift[Stored[ExecutionRecord]]):
    """Triggers that a crash left unsent are sent. Flow runs send their own, as long as Prefect
    has them under way.
    """

    kind = "unsent_trigger"

    async def find(self) -> list[Stored[ExecutionRecord]]:
        accepted_before = utc_now() - SEND_GRACE
        unsent = [
            stored
            async for stored in _jobs(self._parts.store, "pending", "running")
            if stored.record.updated_at <= accepted_before
            and not await triggers.is_sent(self._parts.store, stored.record.id)
        ]
        in_a_run = {stored.record.flow_run_id for stored in unsent if stored.record.flow_run_id}
        runs = await self._parts.flow_runs.read_runs(sorted(in_a_run)) if in_a_run else []
        # A run completes when its trigger is out: the record is from before that, from a backup.
        known = {run.id for run in runs if run.state != "completed"}
        return [
            stored
            for stored in unsent
            if stored.record.flow_run_id not in known and await self._has_turn(stored)
        ]

    async def act(self, stored: Stored[ExecutionRecord]) -> bool:
        stored = await triggers.send(self._parts.store, self._parts.bus, stored)
        if stored.record.is_terminal:
            return False  # it has just been cancelled
        log.info("sent the trigger of execution %s, which was owed", stored.record.id)
        if stored.record.flow_run_id is None:
            await show_in_prefect(self._parts.flow_runs, stored.record)
        return True

    async def _has_turn(self, stored: Stored[ExecutionRecord]) -> bool:
        """A manual trigger needs no turn; one that a vanished run left behind does."""
        job = jobs.JOB_BY_ID.get(stored.record.subject)
        if job is None or job.overlap != "queue" or stored.record.flow_run_id is None:
            return True
        try:
            return await triggers.take_turn_in_order(self._parts.store, job, stored.record) is None
        except UnreadableRecord as error:  # it may be at work
            log.error("execution %s waits for its turn: %s", stored.record.id, error)
            return False


class UnreportedJobs(Drift[Stored[ExecutionRecord]]):
    """Jobs without a report within their limit are `unreported`, and operators are alerted."""

    kind = "unreported_job"

    async def find(self) -> list[Stored[ExecutionRecord]]:
        return [
            stored
            async for stored in _jobs(self._parts.store, "running")
            if await self._is_overdue(stored.record)
        ]

    async def act(self, stored: Stored[ExecutionRecord]) -> bool:
        hours = _limit(stored.record).total_seconds() / 3600
        error = f"{stored.record.subject} was triggered, and no report came within {hours:g} h"
        error += transitions.refusals(stored.record)
        try:
            ended = await transitions.move(
                self._parts.store,
                stored,
                "unreported",
                error=error,
                error_code=rejections.JOB_UNREPORTED,
                completed_at=utc_now(),
            )
        except (Stale, InvalidTransition):
            return False  # the report has just come
        await transitions.announce(self._parts.store, self._parts.bus, [ended])
        log.warning("execution %s is unreported: %s", stored.record.id, error)
        return True

    async def _is_overdue(self, record: ExecutionRecord) -> bool:
        try:
            sent_at = await triggers.sent_at(self._parts.store, record.id)
        except UnreadableRecord as error:  # its limit is not known
            log.error("execution %s is not judged: %s", record.id, error)
            return False
        return sent_at is not None and utc_now() >= sent_at + _limit(record)


def _jobs(store: RecordStore, *statuses: str) -> AsyncIterator[Stored[ExecutionRecord]]:
    return every(
        store,
        ids.SYSTEM_TENANT,
        ExecutionRecord,
        {"workflow": jobs.WORKFLOW, "status": statuses},
        skips_unreadable=True,
    )


def _limit(record: ExecutionRecord) -> timedelta:
    job = jobs.JOB_BY_ID.get(record.subject)
    return job.report_within if job else JOB_LIMIT
