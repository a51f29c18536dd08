"""Reports of batch workers about their jobs are recorded on the job's execution.

A report names the job and nothing else: it belongs to the job's oldest open execution that was
triggered before it.
"""

import logging
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

from blocks.clock import utc_now
from blocks.contracts import ids, rejections
from blocks.contracts.envelope import Event
from blocks.contracts.events import JobCompleted, JobFailed
from blocks.contracts.jobs import JOB_BY_ID, REPORT_STEP, WORKFLOW
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.contracts.states import InvalidTransition
from blocks.executions import transitions
from blocks.executions.steps import record_step
from blocks.ports import Query, RecordStore, Stored
from blocks.queries import every
from blocks.updates import update_known
from listeners.context import Context

log = logging.getLogger(__name__)

CLOCK_SKEW = timedelta(seconds=5)
"""How far a worker's clock may lag behind ours before its report seems older than
what it reports.
"""


unclaimed: Counter[str] = Counter()
"""Reports that belonged to no open execution, by job, since this process began."""

Report = Event[JobCompleted] | Event[JobFailed]


async def record_job_report(context: Context, report: Report) -> str:
    """The report's outcome: `recorded`, `unknown` for a foreign job, `unclaimed` if no run waits.

    A report that comes again is recorded once, even if runs have begun meanwhile.
    """
    if report.data.job not in JOB_BY_ID:
        return "unknown"
    store = context.store
    execution = await _reported_before(store, report) or await _claim(store, report)
    if execution is None:
        unclaimed[report.data.job] += 1
        count = unclaimed[report.data.job]
        log.info(
            "%s of %s belongs to no open run; such reports so far: %d",
            report.type,
            report.data.job,
            count,
        )
        return "unclaimed"
    await _end(store, execution, report)
    return "recorded"


async def _reported_before(store: RecordStore, report: Report) -> Stored[ExecutionRecord] | None:
    """The execution that has this report, perhaps from a process that died before ending it."""
    where = {"event_id": spellings(report.id), "step": REPORT_STEP}
    page = await store.query(ids.SYSTEM_TENANT, Query(StepRecord, where, limit=1))
    if not page.items:
        return None
    return await store.read(ids.SYSTEM_TENANT, ExecutionRecord, page.items[0].record.execution_id)


async def _claim(store: RecordStore, report: Report) -> Stored[ExecutionRecord] | None:
    """The oldest open execution whose report this now is; two reports at once get one execution
    each.
    """
    running = {"workflow": WORKFLOW, "subject": report.data.job, "status": "running"}
    async for stored in every(store, ids.SYSTEM_TENANT, ExecutionRecord, running):
        triggered_at = stored.record.started_at or stored.record.created_at
        if triggered_at > _reported_at(report) + CLOCK_SKEW:
            continue
        step = await record_step(
            store,
            stored.record,
            REPORT_STEP,
            result={"status": report.data.status}
            if isinstance(report.data, JobCompleted)
            else None,
            error=_error(report.data) if isinstance(report.data, JobFailed) else None,
            error_code=rejections.JOB_FAILED if isinstance(report.data, JobFailed) else None,
            event_id=report.id,
        )
        if step.event_id == report.id:
            return stored
    return None


async def _end(store: RecordStore, stored: Stored[ExecutionRecord], report: Report) -> None:
    """The execution has ended as reported. The report was the announcement, so none is due."""

    async def ended(now: Stored[ExecutionRecord]) -> None:
        if isinstance(report.data, JobFailed):
            code, error = rejections.JOB_FAILED, _error(report.data)
            await transitions.fail(store, now, code, error, announced_at=utc_now())
        else:
            await transitions.complete(store, now, announced_at=utc_now())

    # It may have ended: by this report, recorded before, or unreported at this very moment.
    with suppress(InvalidTransition):
        await update_known(store, stored, ended)


def _reported_at(report: Report) -> datetime:
    data = report.data
    return (
        data.failed_at if isinstance(data, JobFailed) else data.completed_at
    ) or report.timestamp


def _error(data: JobFailed) -> str:
    return data.error or f"{data.job} failed"
