"""The mirror: folds what Prefect knows into the records, and announces what is owed. It repairs, it never decides.

Level-triggered: each look compares what is with what should be, so a lost event, a crash in the middle of a repair or a
second mirror costs a little work and changes nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from time import monotonic

from api.approval_sweep import ApprovalSweep
from api.idempotency import forget_old_answers
from blocks import batch_jobs, executions, signals
from blocks.cancelling import withdraw_approvals
from blocks.clock import utc_now
from blocks.contracts import ids, jobs, rejections
from blocks.contracts.records import ExecutionRecord, ProcessRecord
from blocks.contracts.states import TERMINAL, InvalidTransition
from blocks.ports import EventBus, FlowRuns, FlowRunView, NotFound, RecordStore, Stale, Stored, Unavailable
from blocks.prefect_flow_runs import PrefectFlowRuns
from blocks.queries import every, tenants
from blocks.settings import Settings

log = logging.getLogger(__name__)

MAX_RUNS = 10
"""How often a flow run may lose its worker before its executions count as failed."""

_FIRST_LOOKBACK = timedelta(days=7)
_LOOKBACK = timedelta(hours=1)
"""How far before its last look the mirror looks again at runs that ended; the first look covers a long absence."""

_ANNOUNCE_GRACE = timedelta(seconds=5)
"""A run announces its own endings; the mirror steps in when it has not done so for this long."""

_SEND_GRACE = timedelta(seconds=30)
"""Whoever accepts a trigger by hand sends it at once; the mirror steps in when that has not happened for so long."""

_JOB_LIMIT = timedelta(hours=2)
"""For a job that is no longer in the table."""

_LIVENESS_SECONDS = 1.0

_APPROVAL_SECONDS = 3.0
"""How often time passes for approvals, and how long a lost resume can hold a decided execution back."""

_FORGET_SECONDS = 600.0


async def run_mirror(settings: Settings, store: RecordStore, bus: EventBus) -> None:
    """Looks and repairs until cancelled. A part that is down is logged once and looked at again."""
    async with PrefectFlowRuns(settings.prefect.api_url or None) as flow_runs:
        mirror = Mirror(settings, store, bus, flow_runs)
        sweep = ApprovalSweep(store, bus, flow_runs)
        async with asyncio.TaskGroup() as group:
            group.create_task(_for_ever(mirror.reschedule_lost_runs, _LIVENESS_SECONDS))
            group.create_task(_for_ever(mirror.fold_ended_runs, settings.mirror.interval_seconds))
            group.create_task(_for_ever(mirror.announce_owed, settings.mirror.interval_seconds))
            group.create_task(_for_ever(sweep.tend_approvals, min(_APPROVAL_SECONDS, settings.mirror.interval_seconds)))
            group.create_task(_for_ever(mirror.close_unreported_jobs, settings.mirror.interval_seconds))
            group.create_task(_for_ever(mirror.send_owed_triggers, settings.mirror.interval_seconds))
            group.create_task(_for_ever(mirror.forget_old_answers, _FORGET_SECONDS))


class Mirror:
    """One method per kind of drift; each returns how many repairs it made."""

    def __init__(self, settings: Settings, store: RecordStore, bus: EventBus, flow_runs: FlowRuns) -> None:
        self._lost_after = timedelta(seconds=settings.worker.lost_after_seconds)
        self._interval_seconds = settings.mirror.interval_seconds
        self._store = store
        self._bus = bus
        self._flow_runs = flow_runs
        self._ended_runs_seen_until = utc_now() - _FIRST_LOOKBACK
        self._blind_until = 0.0
        self._next_full_look = 0.0

    async def announce_owed(self) -> int:
        """Executions that ended without their terminal event being confirmed are announced."""
        owed = 0
        ended_before = utc_now() - _ANNOUNCE_GRACE
        for tenant_id in {*await tenants(self._store), ids.SYSTEM_TENANT}:
            unannounced = {"status": TERMINAL, "announced_at": None}
            async for stored in every(self._store, tenant_id, ExecutionRecord, unannounced):
                if stored.record.updated_at <= ended_before:
                    await executions.announce(self._store, self._bus, [stored])
                    log.info("announced the end of execution %s, which was owed", stored.record.id)
                    owed += 1
        return owed

    async def fold_ended_runs(self) -> int:
        """Executions whose flow run ended without ending them are ended, or run again if their worker crashed."""
        looked_at, since = utc_now(), self._ended_runs_seen_until - _LOOKBACK
        repairs = 0
        for run in await self._flow_runs.list_runs(states=("crashed", "cancelled", "failed"), since=since):
            left_open = await self._left_open(run)
            runs_again = run.state == "crashed" and run.run_count < MAX_RUNS
            # A job's run that crashed before it opened its execution still owes its tick.
            if not left_open and not (runs_again and run.job):
                continue
            if runs_again:
                await self._reschedule(run, run.message or "the worker stopped")
            else:
                await asyncio.gather(*(self._end(stored, run) for stored in left_open))
            repairs += 1
        self._ended_runs_seen_until = looked_at
        return repairs

    async def reschedule_lost_runs(self) -> int:
        """Flow runs that no living worker holds any more are scheduled again; the dead workers' records go."""
        try:
            dead, alive = await self._workers()
        except Unavailable:
            # While the store was away no worker could show that it lives: give them time before judging.
            self._blind_until = monotonic() + self._lost_after.total_seconds()
            raise
        if monotonic() < self._blind_until or not (dead or monotonic() >= self._next_full_look):
            return 0
        self._next_full_look = monotonic() + self._interval_seconds
        held = {run_id for worker in alive for run_id in worker.flow_run_ids}
        lost = [
            run
            for run in await self._flow_runs.list_runs(states=("pending", "running"))
            if run.id not in held and run.state_at < utc_now() - self._lost_after
        ]
        for run in lost:
            await self._reschedule(run, "its worker is gone")
        for worker in dead:
            await self._store.delete(ids.SYSTEM_TENANT, ProcessRecord, worker.id)
        return len(lost)

    async def close_unreported_jobs(self) -> int:
        """Batch jobs that nobody reported within their limit are `unreported`, and operators are told."""
        closed = 0
        async for stored in self._running_jobs():
            job = jobs.JOB_BY_ID.get(stored.record.subject)
            limit = job.report_within if job else _JOB_LIMIT
            sent_at = await batch_jobs.sent_at(self._store, stored.record.id)
            if sent_at is None or utc_now() < sent_at + limit:
                continue
            closed += await self._close_unreported(stored, limit)
        return closed

    async def _close_unreported(self, stored: Stored[ExecutionRecord], limit: timedelta) -> int:
        error = f"{stored.record.subject} was triggered, and nobody reported within {limit.total_seconds() / 3600:g} h"
        try:
            ended = await executions.move(
                self._store,
                stored,
                "unreported",
                error=error,
                error_code=rejections.JOB_UNREPORTED,
                completed_at=utc_now(),
            )
        except (Stale, InvalidTransition):
            return 0  # the report has just come
        await executions.announce(self._store, self._bus, [ended])
        log.warning("execution %s is unreported: %s", stored.record.id, error)
        return 1

    async def send_owed_triggers(self) -> int:
        """Triggers asked for by hand that a crash left unsent are sent; flow runs send their own."""
        sent = 0
        by_hand = {"workflow": jobs.WORKFLOW, "status": ("pending", "running"), "flow_run_id": None}
        accepted_before = utc_now() - _SEND_GRACE
        async for stored in every(self._store, ids.SYSTEM_TENANT, ExecutionRecord, by_hand):
            if stored.record.updated_at > accepted_before or await batch_jobs.sent_at(self._store, stored.record.id):
                continue
            await batch_jobs.send(self._store, self._bus, stored)
            log.info("sent the trigger of execution %s, which was owed", stored.record.id)
            sent += 1
        return sent

    async def forget_old_answers(self) -> int:
        """Answers that were kept for requests under an Idempotency-Key are forgotten when they are old."""
        return await forget_old_answers(self._store)

    def _running_jobs(self) -> AsyncIterator[Stored[ExecutionRecord]]:
        running = {"workflow": jobs.WORKFLOW, "status": "running"}
        return every(self._store, ids.SYSTEM_TENANT, ExecutionRecord, running)

    async def _workers(self) -> tuple[list[ProcessRecord], list[ProcessRecord]]:
        """The dead and the living, by their last sign of life."""
        oldest_beat = utc_now() - self._lost_after
        workers = [
            stored.record async for stored in every(self._store, ids.SYSTEM_TENANT, ProcessRecord, {"role": "worker"})
        ]
        return (
            [worker for worker in workers if worker.beat_at < oldest_beat],
            [worker for worker in workers if worker.beat_at >= oldest_beat],
        )

    async def _left_open(self, run: FlowRunView) -> list[Stored[ExecutionRecord]]:
        """The executions of this run that are open and that no other run has taken up."""
        if run.job:
            return await self._unsent_jobs(run)
        found = []
        for execution_id in run.execution_ids:
            try:
                stored = await self._store.read(run.tenant_id, ExecutionRecord, execution_id)
            except NotFound:
                continue
            if not stored.record.is_terminal and _may_be_of(stored.record, run):
                found.append(stored)
        return found

    async def _unsent_jobs(self, run: FlowRunView) -> list[Stored[ExecutionRecord]]:
        """A job whose trigger is out is open, too, but its end is the batch workers' to tell."""
        of_run = {"workflow": jobs.WORKFLOW, "flow_run_id": run.id, "status": ("pending", "running")}
        return [
            stored
            async for stored in every(self._store, ids.SYSTEM_TENANT, ExecutionRecord, of_run)
            if not await batch_jobs.sent_at(self._store, stored.record.id)
        ]

    async def _reschedule(self, run: FlowRunView, reason: str) -> None:
        try:
            await self._flow_runs.reschedule(run.id, reason)
        except NotFound:
            return
        await self._bus.broadcast(signals.FLOW_RUNS_SCHEDULED, b"")
        log.warning("flow run %s with %d executions runs again: %s", run.id, len(run.execution_ids), reason)

    async def _end(self, stored: Stored[ExecutionRecord], run: FlowRunView) -> None:
        try:
            if run.state == "cancelled":
                ended = await executions.cancel(self._store, stored, run.message or "cancelled in Prefect")
            else:
                code = rejections.WORKER_LOST if run.state == "crashed" else rejections.RUN_FAILED
                error = f"the flow run {run.state_name.lower()}: {run.message or 'no message'}"
                ended = await executions.fail(self._store, stored, code, error)
        except (Stale, InvalidTransition):
            return  # somebody else moved it meanwhile; the next look sees what became of it
        await executions.announce(self._store, self._bus, [ended])
        if stored.record.status == "awaiting_approval" or stored.record.approval_ids:
            await withdraw_approvals(self._store, stored.record, ended.record.error or ended.record.status)
        log.warning("execution %s is %s: %s", ended.record.id, ended.record.status, ended.record.error)


def _may_be_of(execution: ExecutionRecord, run: FlowRunView) -> bool:
    """Whether the run holds the execution, or nobody does; a run that held it before its retry has no part in it."""
    if execution.flow_run_id is None:
        return run.id not in {end.flow_run_id for end in execution.earlier_ends}
    return execution.flow_run_id == run.id


async def _for_ever(repair: Callable[[], Awaitable[int]], interval_seconds: float) -> None:
    """Repairs again and again; a part that does not answer is named once, until it answers again."""
    silent = False
    while True:
        try:
            await repair()
            silent = False
        except Unavailable as error:
            if not silent:
                log.warning("the mirror cannot see: %s", error)
            silent = True
        except Exception:
            log.exception("the mirror stumbled in %s", getattr(repair, "__name__", repair))
        await asyncio.sleep(interval_seconds)
