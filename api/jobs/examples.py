"""Examples of batch jobs."""

from datetime import timedelta

from api.documentation.requests import add_requests
from api.http.example_data import BEGIN, EVENT, TENANT
from api.jobs.documents import BatchJob, JobList, JobRun, JobTrigger, JobTriggered
from blocks.contracts import ids, jobs

_JOB_RUN = JobRun(
    execution_id=ids.execution_id(ids.SYSTEM_TENANT, jobs.WORKFLOW, EVENT),
    status="completed",
    triggered_by="scheduler",
    triggered_at=BEGIN,
    ended_at=BEGIN + timedelta(minutes=4),
)
JOB_LIST = JobList(
    total=len(jobs.JOBS),
    items=[
        BatchJob(
            job=job.id,
            description=job.description,
            schedule=job.cron,
            time_zone="UTC",
            is_active=job.active,
            accepts={field.name: field.accepted for field in job.fields},
            misfire=job.misfire,
            max_lateness_seconds=int(job.max_lateness.total_seconds()),
            overlap=job.overlap,
            report_within_seconds=int(job.report_within.total_seconds()),
            next_run=BEGIN + timedelta(days=1),
            last_run=_JOB_RUN,
        )
        for job in (jobs.JOB_BY_ID["risk-clustering"],)
    ],
)
JOB_TRIGGERED = JobTriggered(
    execution_id=_JOB_RUN.execution_id,
    status="running",
    triggered_by="api",
    triggered_at=BEGIN,
    job="risk-clustering",
    event_id=EVENT,
    metadata={"tenantIds": [TENANT]},
)
add_requests(JobTrigger(metadata=JOB_TRIGGERED.metadata))
