"""The work pools that the deployments name."""

from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists
from prefect_docker.worker import DockerWorker

from deployments.bootstrap.docker_runs import passed_on
from deployments.worker.in_process_worker import InProcessWorker


async def create_work_pool(client: PrefectClient, name: str) -> None:
    """The pool exists; one of our type has this version's job template. Operators' other settings
    stay, and so does a pool of another type (`process`) as a whole.
    """
    template = InProcessWorker.get_default_base_job_template()
    try:
        await client.create_work_pool(
            WorkPoolCreate(name=name, type=InProcessWorker.type, base_job_template=template)
        )
    except ObjectAlreadyExists:
        if (await client.read_work_pool(name)).type == InProcessWorker.type:
            await client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))


async def create_docker_pool(client: PrefectClient, name: str) -> None:
    """The pool exists, and its containers are given the settings that this process's environment
    has, from their worker's. All else in its job template is the operators'.
    """
    template = DockerWorker.get_default_base_job_template()
    try:
        await client.create_work_pool(
            WorkPoolCreate(
                name=name, type=DockerWorker.type, base_job_template=_passing_on(template)
            )
        )
    except ObjectAlreadyExists:
        there = await client.read_work_pool(name)
        if there.type == DockerWorker.type:
            update = WorkPoolUpdate(base_job_template=_passing_on(there.base_job_template))
            await client.update_work_pool(name, update)


def _passing_on(template: dict[str, Any]) -> dict[str, Any]:
    template["variables"]["properties"]["env"]["default"] = passed_on()
    return template
