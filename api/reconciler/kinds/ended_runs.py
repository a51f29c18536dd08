"""Executions that are open although their flow run has ended in Prefect."""

import asyncio
import logging
from datetime import timedelta
from time import monotonic

from api.reconciler.drift import Drift, Parts
from blocks import signals
from blocks.actions.failing import announce_end
from blocks.clock import utc_now
from blocks.contracts import ids, jobs, rejections
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import OPEN, InvalidTransition
from blocks.executions import transitions as executions
from blocks.jobs import triggers
from blocks.ports import FlowRunView, NotFound, Stale, Stored
from blocks.ports.flow_runs import REFUSED
from blocks.queries import every, those

log = logging.getLogger(__name__)

RESCHEDULES_MAX = 10
"""How often a flow run may lose its worker and run again before its executions count as failed: one
of them may be what kills its worker.
"""

_FIRST_LOOKBACK = timedelta(days=7)
_LOOKBACK = timedelta(hours=1)
_OVERLAP = timedelta(seconds=30)
"""Each look covers ended runs from so long before the last one; the first covers a long absence,
and one every few minutes an hour. Runs fail as often as their executions do: a longer overlap would
have Prefect list the same ones at each look.
"""

_EVERY_HOUR_SECONDS = 300.0
"""How often a look covers the last hour, and the runs that an error kept from their repair."""

_ENDED = ("crashed", "cancelled", "failed")


class EndedRuns(Drift[tuple[FlowRunView, list[Stored[ExecutionRecord]]]]):
    """A run that crashed runs again, within limits; the executions of one that failed or was
    cancelled end likewise.
    """

    kind = "ended_run"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._seen_until = utc_now() - _FIRST_LOOKBACK
        self._next_long_look = 0.0
        self._owed: set[str] = set()
        """Runs that an error kept from their repair, however long ago they ended."""

    async def look(self) -> int:
        """As for every drift; what it could not act on is looked at again."""
        looked_at, is_long = utc_now(), self._is_long
        repaired = await super().look()
        self._seen_until = looked_at
        if is_long:
            self._next_long_look = monotonic() + _EVERY_HOUR_SECONDS
        return repaired

    async def find(self) -> list[tuple[FlowRunView, list[Stored[ExecutionRecord]]]]:
        is_long = self._is_long
        ended = await self._parts.flow_runs.list_runs(
            states=_ENDED, since=self._seen_until - (_LOOKBACK if is_long else _OVERLAP)
        )
        if is_long:
            owed = self._owed - {run.id for run in ended}
            again = await self._parts.flow_runs.read_runs(sorted(owed))
            ended += [run for run in again if run.state in _ENDED]
        found = [
            (run, await left_open(self._parts, run)) for run in ended if run.state_name != REFUSED
        ]
        # A run that crashed before it opened its own execution still owes it.
        to_repair = [
            (run, executions)
            for run, executions in found
            if executions or (run.opens_its_own and await runs_again(self._parts, run))
        ]
        if is_long:
            self._owed &= {run.id for run, _ in to_repair}
        return to_repair

    @property
    def _is_long(self) -> bool:
        return monotonic() >= self._next_long_look

    async def act(self, found: tuple[FlowRunView, list[Stored[ExecutionRecord]]]) -> bool:
        run, executions = found
        self._owed.add(run.id)
        if await runs_again(self._parts, run):
            repaired = await reschedule(self._parts, run, run.message or "the worker stopped")
        else:
            ends = (end(self._parts, stored, run) for stored in executions)
            repaired = any(await asyncio.gather(*ends))
        self._owed.discard(run.id)  # no error kept it from its repair
        return repaired


async def runs_again(parts: Parts, run: FlowRunView) -> bool:
    """Whether a run without a worker is rescheduled. Its starts bound its losses of a worker, and
    are known without a request.
    """
    if run.state in ("cancelled", "failed"):
        return False
    if run.run_count < RESCHEDULES_MAX:
        return True
    try:
        return await parts.flow_runs.reschedules(run.id) < RESCHEDULES_MAX
    except NotFound:
        return False


async def left_open(parts: Parts, run: FlowRunView) -> list[Stored[ExecutionRecord]]:
    """The executions of this run that are open and that no other run has claimed."""
    if run.job:
        return await _unsent_jobs(parts, run)
    held = await _held_by(parts, run)
    if run.opens_for:
        return held
    listed = await those(
        parts.store, run.tenant_id, ExecutionRecord, run.execution_ids, skips_unreadable=True
    )
    found = listed | {stored.record.id: stored for stored in held}
    return [
        stored
        for stored in found.values()
        if not stored.record.is_terminal and _may_be_of(stored.record, run)
    ]


async def _unsent_jobs(parts: Parts, run: FlowRunView) -> list[Stored[ExecutionRecord]]:
    """A job whose trigger was sent is open, too, but the batch workers report its end."""
    of_run = {"workflow": jobs.WORKFLOW, "flow_run_id": run.id, "status": ("pending", "running")}
    return [
        stored
        async for stored in every(
            parts.store, ids.SYSTEM_TENANT, ExecutionRecord, of_run, skips_unreadable=True
        )
        if not await triggers.is_sent(parts.store, stored.record.id)
    ]


async def _held_by(parts: Parts, run: FlowRunView) -> list[Stored[ExecutionRecord]]:
    """Those that it has claimed: listed, opened by itself, or joined on the way."""
    held = tuple(status for status in OPEN if status != "waiting")  # at rest, no run has it
    of_run = {"flow_run_id": run.id, "status": held}
    return [
        stored
        async for stored in every(
            parts.store, run.tenant_id, ExecutionRecord, of_run, skips_unreadable=True
        )
    ]


def _may_be_of(execution: ExecutionRecord, run: FlowRunView) -> bool:
    """Whether the run holds the execution, or no run does; not one from before a retry, nor one at
    rest, which its run has left.
    """
    if execution.status == "waiting" or _was_woken_since(execution, run):
        return False
    if execution.flow_run_id is None:
        return run.id not in {end.flow_run_id for end in execution.previous_outcomes}
    return execution.flow_run_id == run.id


def _was_woken_since(execution: ExecutionRecord, run: FlowRunView) -> bool:
    """Whether it came to rest in this run, and is pending for another: it was woken, or retried,
    after this one was made.
    """
    pending_again = execution.status == "pending" and execution.waiting_since > execution.created_at
    return (
        pending_again
        and run.scheduled_at is not None
        and (run.scheduled_at < execution.waiting_since)
    )


async def reschedule(parts: Parts, run: FlowRunView, reason: str) -> bool:
    """Schedules the run again from its start, in any worker; False if it is gone from Prefect."""
    try:
        await parts.flow_runs.reschedule(run, reason)
    except NotFound:
        return False
    await parts.bus.broadcast(signals.FLOW_RUNS_SCHEDULED, run.id.encode())
    log.warning(
        "flow run %s with %d executions runs again: %s", run.id, len(run.execution_ids), reason
    )
    return True


async def end(parts: Parts, stored: Stored[ExecutionRecord], run: FlowRunView) -> bool:
    """It has ended as its run did, and this is announced; False if it changed meanwhile."""
    try:
        ended = await _ended(parts, stored, run)
    except (Stale, InvalidTransition):
        return False  # the next look sees what became of it
    await announce_end(parts.store, parts.bus, stored.record, ended)
    log.warning("execution %s is %s: %s", ended.record.id, ended.record.status, ended.record.error)
    return True


async def _ended(
    parts: Parts, stored: Stored[ExecutionRecord], run: FlowRunView
) -> Stored[ExecutionRecord]:
    if run.state in ("cancelled", "cancelling"):
        return await executions.cancel(parts.store, stored, run.message or "cancelled in Prefect")
    code = rejections.WORKER_LOST if run.state == "crashed" else rejections.RUN_FAILED
    error = f"the flow run {run.state_name.lower()}: {run.message or 'no message'}"
    return await executions.fail(parts.store, stored, code, error)
