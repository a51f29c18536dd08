"""The work pool that the deployments name."""

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists

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
