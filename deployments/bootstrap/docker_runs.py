"""The second deployments of prefect.yaml, whose runs are containers, as the settings want them.

Contract: a job or an operation is started by the schedule of one of its two deployments. Pitfalls:
settings reach a container through its worker. The pool's job template has their names only, no
value: Prefect shows templates to everyone who reads the pool.
"""

import os
from collections.abc import Mapping

import msgspec
from prefect_docker.types import assert_volume_str

from blocks.settings import BadSetting, DockerRuns, Settings, variables
from deployments.bootstrap.prefect_yaml import Deployment, WorkPool

HOST = "host"
"""The network's name that stands for no network of its own."""


def check_docker_runs(deployments: list[Deployment], settings: Settings) -> None:
    """Raises `BadSetting` for a name that has no second deployment, and for what is no volume."""
    known = [deployment.twin for deployment in deployments if deployment.is_docker]
    for name in settings.docker_runs.scheduled_names:
        if name not in known:
            raise BadSetting(
                f"setting docker_runs.scheduled (DOCKER_RUNS) names {name!r}, which prefect.yaml "
                f"does not deploy on the Docker work pool: use {', '.join(known)}"
            )
    for mount in settings.docker_runs.mounts:
        try:
            assert_volume_str(mount)
        except ValueError as error:
            raise BadSetting(
                f"setting docker_runs.volumes (DOCKER_RUNS_VOLUMES) has {mount!r}: {error}"
            ) from None


def is_needed(deployment: Deployment, settings: Settings) -> bool:
    """False for a Docker deployment that the settings do not name: it is not made, and one that is
    there from before loses its schedule to its twin.
    """
    return not deployment.is_docker or deployment.twin in settings.docker_runs.scheduled_names


def starts_by_schedule(deployment: Deployment, settings: Settings) -> bool:
    """Whether the schedule is this deployment's, and not that of its twin on the other pool."""
    in_containers = deployment.twin in settings.docker_runs.scheduled_names
    return deployment.is_docker == in_containers


def contained(deployment: Deployment, runs: DockerRuns) -> Deployment:
    """A Docker deployment with image, networks and volumes of the settings; any other as it is."""
    if not deployment.is_docker:
        return deployment
    pool = deployment.work_pool
    kept = {name: value for name, value in pool.job_variables.items() if name != "networks"}
    network = (
        {"network_mode": HOST} if runs.network_names == [HOST] else {"networks": runs.network_names}
    )
    filled = kept | network | {"image": runs.image, "volumes": runs.mounts}
    return msgspec.structs.replace(
        deployment, work_pool=WorkPool(name=pool.name, job_variables=filled)
    )


def passed_on(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The settings that this environment has, each as the placeholder that a Docker worker fills
    from its own environment. Prefect's own settings it passes on by itself.
    """
    return {
        name: f"{{{{ ${name} }}}}"
        for name in sorted(variables())
        if environment.get(name) and not name.startswith("PREFECT_")
    }
