"""The schedules of batch jobs and operations, and the containers of those that run in some, as the
settings want them; prefect.yaml holds the defaults.
"""

import msgspec

from blocks.contracts.jobs import JOB_BY_ID
from blocks.contracts.operations import operation_named
from blocks.operations.schedules import is_active
from blocks.settings import Settings
from deployments.bootstrap.docker_runs import check_docker_runs, contained, starts_by_schedule
from deployments.bootstrap.prefect_yaml import Deployment, Schedule, read_deployments


def wanted(settings: Settings) -> list[Deployment]:
    """Every deployment of prefect.yaml as the settings want it. Raises `BadSetting`."""
    deployments = read_deployments()
    check_docker_runs(deployments, settings)
    return [
        contained(scheduled(deployment, settings), settings.docker_runs)
        for deployment in deployments
    ]


def scheduled(deployment: Deployment, settings: Settings) -> Deployment:
    """A deployment that has a schedule, with the cron, time zone and activity of the settings; any
    other as it is.
    """
    schedule = _schedule_of(deployment, settings)
    if schedule is None:
        return deployment
    return msgspec.structs.replace(deployment, schedules=[schedule])


def _schedule_of(deployment: Deployment, settings: Settings) -> Schedule | None:
    name = deployment.twin
    if job := JOB_BY_ID.get(name):
        jobs = settings.batch_jobs
        cron, timezone, active = jobs.cron_of(job), jobs.timezone, jobs.is_active(job)
    elif (operation := operation_named(name)) and operation.cron:
        operations = settings.operations
        cron, timezone = operations.schedule_of(operation).cron, operations.timezone
        active = is_active(operation, settings)
    else:
        return None
    active = active and starts_by_schedule(deployment, settings)
    return Schedule(slug=deployment.name, cron=cron, timezone=timezone, active=active)
