"""The Docker deployments of prefect.yaml: what their twins are, elsewhere, and switched off."""

import re

import pytest
from msgspec.structs import replace

from blocks.contracts.jobs import JOBS
from blocks.settings import BadSetting, load_settings
from deployments.bootstrap.docker_runs import is_needed, passed_on
from deployments.bootstrap.prefect_yaml import Deployment, docker_pool, read_deployments
from deployments.bootstrap.schedules import wanted

DEPLOYED = {deployment.name: deployment for deployment in read_deployments()}
DOCKER = [deployment for deployment in DEPLOYED.values() if deployment.is_docker]
ALL = ",".join(deployment.twin for deployment in DOCKER)

WITH_WORK = {
    "DATABASE_URL": "postgresql://me:pw@db/app",
    "LOG_ROTATION_PATHS": "/var/log/app/*.log",
}
"""An operation that finds nothing to do has no active schedule."""

every_docker_deployment = pytest.mark.parametrize("docker", DOCKER, ids=lambda one: one.twin)


def as_wanted(**variables: str) -> dict[str, Deployment]:
    return {deployment.name: deployment for deployment in wanted(load_settings(variables))}


def test_backup_log_rotation_and_the_jobs_that_run_by_default_have_one() -> None:
    jobs = {job.id for job in JOBS if job.active}

    assert 9 == len(DOCKER)
    assert {*jobs, "database-backup", "log-rotation"} == {deployment.twin for deployment in DOCKER}
    assert [f"{deployment.twin}-docker" for deployment in DOCKER] == [one.name for one in DOCKER]


@every_docker_deployment
def test_it_differs_from_its_twin_in_name_pool_and_schedule_only(docker: Deployment) -> None:
    twin = DEPLOYED[docker.twin]

    moved = replace(docker, name=twin.name, work_pool=twin.work_pool, schedules=twin.schedules)

    assert twin == moved
    assert docker_pool(twin.work_pool.name) == docker.work_pool.name
    [of_twin], [of_docker] = twin.schedules, docker.schedules
    assert (of_twin.cron, of_twin.timezone) == (of_docker.cron, of_docker.timezone)


@every_docker_deployment
def test_prefect_yaml_and_the_default_settings_say_the_same_and_it_is_off(
    docker: Deployment,
) -> None:
    assert docker == as_wanted()[docker.name]
    assert [False] == [schedule.active for schedule in docker.schedules]
    assert not is_needed(docker, load_settings({}))


@pytest.mark.parametrize("scheduled", ["", "outcome-sync", "database-backup, log-rotation", ALL])
def test_each_is_started_by_the_schedule_of_one_of_its_two_deployments(scheduled: str) -> None:
    deployed = as_wanted(DOCKER_RUNS=scheduled, **WITH_WORK)
    named = [name.strip() for name in scheduled.split(",") if name]

    for docker in DOCKER:
        [here], [there] = deployed[docker.name].schedules, deployed[docker.twin].schedules
        assert (docker.twin in named, docker.twin not in named) == (here.active, there.active)


def test_what_is_switched_off_starts_by_neither_schedule() -> None:
    off = {"BATCH_JOBS_ENABLED": "false", "OPERATIONS_ENABLED": "false"}

    deployed = as_wanted(DOCKER_RUNS=ALL, **off, **WITH_WORK)

    schedules = [schedule for one in deployed.values() for schedule in one.schedules]
    assert {False} == {schedule.active for schedule in schedules}


def test_image_networks_and_volumes_are_those_of_the_settings() -> None:
    image = f"registry.example/orchestrator@sha256:{'a' * 64}"

    docker = as_wanted(
        DOCKER_RUNS="log-rotation",
        DOCKER_RUNS_IMAGE=image,
        DOCKER_RUNS_NETWORKS="bus, inside",
        DOCKER_RUNS_VOLUMES="records:/data, /var/log/shop:/var/log/shop",
    )["log-rotation-docker"]

    variables = docker.work_pool.job_variables
    assert (image, ["bus", "inside"], ["records:/data", "/var/log/shop:/var/log/shop"]) == (
        variables["image"],
        variables["networks"],
        variables["volumes"],
    )
    assert variables["auto_remove"] is True


def test_the_network_of_the_host_is_no_network_of_its_own() -> None:
    docker = as_wanted(DOCKER_RUNS="log-rotation", DOCKER_RUNS_NETWORKS="host")

    variables = docker["log-rotation-docker"].work_pool.job_variables
    assert ("host", False) == (variables.get("network_mode"), "networks" in variables)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("DOCKER_RUNS", "outcome-sink", "DOCKER_RUNS) names 'outcome-sink'"),
        ("DOCKER_RUNS", "cms-sync", "DOCKER_RUNS) names 'cms-sync'"),
        ("DOCKER_RUNS_VOLUMES", "/logs:logs", "DOCKER_RUNS_VOLUMES) has '/logs:logs'"),
    ],
)
def test_what_cannot_be_is_refused(variable: str, value: str, problem: str) -> None:
    with pytest.raises(BadSetting, match=re.escape(problem)):
        as_wanted(**{variable: value})


def test_containers_are_given_the_names_of_settings_and_prefect_no_value() -> None:
    environment = {
        "DATABASE_URL": "postgresql://shop:secret@db/shop",
        "ORCHESTRATOR_BLOCKS": "default",
        "RABBITMQ_URL": "",
        "PREFECT_WORK_POOL": "ours",
        "PATH": "/bin",
    }

    assert {
        "DATABASE_URL": "{{ $DATABASE_URL }}",
        "ORCHESTRATOR_BLOCKS": "{{ $ORCHESTRATOR_BLOCKS }}",
    } == passed_on(environment)
