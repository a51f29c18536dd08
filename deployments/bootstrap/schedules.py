"""The schedules of batch jobs and operations as the settings want them; prefect.yaml holds the
defaults.
"""

import msgspec

from blocks.contracts.jobs import JOB_BY_ID
from blocks.contracts.operations import operation_named
from blocks.operations.schedules import is_active
from blocks.settings import Settings
from deployments.bootstrap.prefect_yaml import Deployment, Schedule


def scheduled(deployment: Deployment, settings: Settings) -> Deployment:
    """A deployment that has a schedule, with the cron, time zone and activity of the settings; any
    other as it is.
    """
    schedule = _schedule_of(deployment.name, settings)
    if schedule is None:
        return deployment
    return msgspec.structs.replace(deployment, schedules=[schedule])


def _schedule_of(name: str, settings: Settings) -> Schedule | None:
    if job := JOB_BY_ID.get(name):
        jobs = settings.batch_jobs
        cron, timezone, active = jobs.cron_of(job), jobs.timezone, jobs.is_active(job)
    elif (operation := operation_named(name)) and operation.cron:
        operations = settings.operations
        cron, timezone = operations.schedule_of(operation).cron, operations.timezone
        active = is_active(operation, settings)
    else:
        return None
    return Schedule(slug=name, cron=cron, timezone=timezone, active=active)
