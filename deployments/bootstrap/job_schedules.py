"""The schedules of the batch jobs as the settings want them; prefect.yaml holds the defaults."""

import msgspec

from blocks.contracts.jobs import JOB_BY_ID, Job
from blocks.settings import BatchJobs
from deployments.bootstrap.prefect_yaml import Deployment, Schedule


def scheduled(deployment: Deployment, settings: BatchJobs) -> Deployment:
    """A batch job's deployment with the cron, time zone and activity of the settings; any other as
    it is.
    """
    job = JOB_BY_ID.get(deployment.name)
    if job is None:
        return deployment
    return msgspec.structs.replace(deployment, schedules=[_schedule(job, settings)])


def _schedule(job: Job, settings: BatchJobs) -> Schedule:
    return Schedule(
        slug=job.id,
        cron=settings.cron_of(job),
        timezone=settings.timezone,
        active=settings.is_active(job),
    )
