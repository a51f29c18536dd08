"""What `prefect deploy` finds ready on a server, empty or not."""

from prefect.client.orchestration import get_client

from blocks.observability.redaction import masked_url
from blocks.ports import Unavailable
from blocks.settings import BadSetting, Settings, load_settings
from deployments.bootstrap.automations import create_automations
from deployments.bootstrap.prefect_yaml import docker_pool, read_deployments
from deployments.bootstrap.schedules import scheduled
from deployments.bootstrap.work_pool import create_docker_pool, create_work_pool
from deployments.printing import say_line

WORK_POOL = "PREFECT_WORK_POOL"


async def prepared(api_url: str | None) -> dict[str, str]:
    """The server has the work pools and the automations. Returns what prefect.yaml names with a $.

    Neither queues and containers nor blocks are touched: who deploys may not reach the one, and has
    not the values of the other. Raises `BadSetting`, and `Unavailable` if Prefect does not answer.
    """
    if api_url is None:
        raise BadSetting("set PREFECT_API_URL to the server that is to run the deployments")
    settings = load_settings(blocks_may_be_missing=True)
    async with get_client() as client:
        if problem := await client.api_healthcheck():
            raise Unavailable(
                f"Prefect does not answer at {masked_url(api_url)}: {type(problem).__name__}"
            )
        await create_work_pool(client, settings.prefect.work_pool)
        await create_docker_pool(client, docker_pool(settings.prefect.work_pool))
        await create_automations(client, settings.prefect)
    if others := with_other_schedules(settings):
        say_line(
            f"The settings have other schedules for {', '.join(others)} than prefect.yaml, which "
            "is deployed here; `orchestrator bootstrap` deploys those of the settings.",
            error=True,
        )
    return {WORK_POOL: settings.prefect.work_pool}


def with_other_schedules(settings: Settings) -> list[str]:
    """The jobs and operations to which the settings give other schedules than prefect.yaml."""
    differing = (
        deployment.twin
        for deployment in read_deployments()
        if deployment != scheduled(deployment, settings)
    )
    return list(dict.fromkeys(differing))
