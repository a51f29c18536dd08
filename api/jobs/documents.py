"""The batch jobs as they look over HTTP."""

from datetime import datetime
from typing import Any

import msgspec

from api.http.documents import Document
from api.http.lists import ListPage
from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.jobs import Job
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.schedules.ticks import Misfire, Overlap
from blocks.contracts.states import ExecutionStatus
from blocks.schedules.cron import next_time
from blocks.settings import BatchJobs


class JobRun(Document, frozen=True, kw_only=True):
    """One run of a batch job; `unreported`: it was triggered, and no end was reported in time."""

    execution_id: str
    status: ExecutionStatus
    triggered_by: str
    triggered_at: datetime
    ended_at: datetime | None = None
    error: str | None = None


class BatchJob(Document, frozen=True, kw_only=True):
    """A batch job: its schedule, what its trigger takes, and its last run."""

    job: str
    description: str
    schedule: str
    time_zone: str
    is_active: bool
    accepts: dict[str, str]
    """Metadata field to its permitted values."""
    misfire: Misfire
    max_lateness_seconds: int
    overlap: Overlap
    report_within_seconds: int
    next_run: datetime | None = None
    """By the settings; a schedule that was paused or changed in Prefect is shown there."""
    last_run: JobRun | None = None


class JobList(ListPage, frozen=True, kw_only=True):
    """A page of the batch jobs, in the order of their table."""

    items: list[BatchJob]


class JobTrigger(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The metadata of the trigger; empty: the job's defaults."""

    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class JobTriggered(JobRun, frozen=True, kw_only=True):
    """The trigger, confirmed by the broker, and its run."""

    job: str
    event_id: str
    metadata: JsonObject


async def job_of(job: Job, settings: BatchJobs, last: ExecutionRecord | None) -> BatchJob:
    cron, is_active = settings.cron_of(job), settings.is_active(job)
    return BatchJob(
        job=job.id,
        description=job.description,
        schedule=cron,
        time_zone=settings.timezone,
        is_active=is_active,
        accepts={field.name: field.accepted for field in job.fields},
        misfire=job.misfire,
        max_lateness_seconds=int(job.max_lateness.total_seconds()),
        overlap=job.overlap,
        report_within_seconds=int(job.report_within.total_seconds()),
        next_run=await next_time(cron, settings.timezone, utc_now()) if is_active else None,
        last_run=JobRun(**_run(last)) if last else None,
    )


def triggered_of(execution: ExecutionRecord) -> JobTriggered:
    return JobTriggered(
        job=execution.subject,
        event_id=execution.trigger_ids[0],
        metadata=execution.input["metadata"],
        **_run(execution),
    )


def _run(execution: ExecutionRecord) -> dict[str, Any]:
    return {
        "execution_id": execution.id,
        "status": execution.status,
        "triggered_by": execution.input["triggeredBy"],
        "triggered_at": execution.started_at or execution.created_at,
        "ended_at": execution.completed_at,
        "error": execution.error,
    }
