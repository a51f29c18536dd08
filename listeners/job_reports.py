"""Reports of batch workers about their jobs are recorded on the job's execution.

A report names the job and nothing else: it belongs to the job's oldest open execution that was
triggered before it.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator
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
    """The report's outcome: `recorded`, `unknown` for a foreign job, `outdated` if it is older than
    every run that it could be about, `unclaimed` if no run waits.

    A report that comes again is recorded once, even if runs have begun meanwhile.
    """
    if report.data.job not in JOB_BY_ID:
        return "unknown"
    store = context.store
    execution = await _reported_before(store, report) or await _claim(store, report)
    if execution is None:
        if oldest := await _newer_than(store, report):
            _log_outdated(report, oldest)
            return "outdated"
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
    async for stored in _oldest_first(store, _running(report)):
        if _is_older(report, stored.record):
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


async def _newer_than(store: RecordStore, report: Report) -> ExecutionRecord | None:
    """The oldest run that waits for a report, or else the oldest of all, if that began after this
    report; None: the report came for another reason to no run.
    """
    of_job = {"workflow": WORKFLOW, "subject": report.data.job}
    for where in (_running(report), of_job):
        async for stored in _oldest_first(store, where):
            return stored.record if _is_older(report, stored.record) else None
    return None


def _oldest_first(
    store: RecordStore, where: dict[str, str]
) -> AsyncIterator[Stored[ExecutionRecord]]:
    return every(store, ids.SYSTEM_TENANT, ExecutionRecord, where, skips_unreadable=True)


def _log_outdated(report: Report, oldest: ExecutionRecord) -> None:
    log.warning(
        "%s of %s reports what ended at %s, before the oldest run it could be about was triggered "
        "(%s, execution %s): no run is ended by it",
        report.type,
        report.data.job,
        _reported_at(report).isoformat(),
        _triggered_at(oldest).isoformat(),
        oldest.id,
    )


def _running(report: Report) -> dict[str, str]:
    return {"workflow": WORKFLOW, "subject": report.data.job, "status": "running"}


def _is_older(report: Report, run: ExecutionRecord) -> bool:
    return _triggered_at(run) > _reported_at(report) + CLOCK_SKEW


def _triggered_at(run: ExecutionRecord) -> datetime:
    return run.started_at or run.created_at


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
