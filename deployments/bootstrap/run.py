"""`orchestrator bootstrap`: everything the system needs outside its own processes exists. Safe to
repeat.
"""

import os
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from blocks.contracts.operations import operation_named
from blocks.operations.schedules import why_inactive
from blocks.prefect_blocks import NAME, save_blocks
from blocks.settings import Settings
from blocks.settings.block_variables import VARIABLE
from deployments.bootstrap.automations import create_automations
from deployments.bootstrap.docker_runs import is_needed
from deployments.bootstrap.left_runs import drop_left_runs
from deployments.bootstrap.prefect_yaml import Deployment, Schedule, docker_pool
from deployments.bootstrap.provision import provision
from deployments.bootstrap.schedules import wanted
from deployments.bootstrap.work_pool import create_docker_pool, create_work_pool
from deployments.prefect import server as prefect_server


async def run_bootstrap(settings: Settings) -> list[str]:
    """Returns what exists, one line each. Raises `Unavailable` if store, bus or Prefect is away,
    and `DeclaredOtherwise`.
    """
    attention = await provision(settings)
    deployments = wanted(settings)
    flows: list[Flow[..., Any]] = [
        load_flow_from_entrypoint(deployment.entrypoint) for deployment in deployments
    ]
    await prefect_server.wait_until_healthy(settings, limit_seconds=settings.startup.wait_seconds)
    async with get_client() as client:
        # Late: workers wait for the pool, so that only this process writes to Prefect's SQLite
        # file.
        blocks = await save_blocks(settings, client, os.environ.get(VARIABLE) or NAME)
        registered = [
            (deployment, flow)
            for deployment, flow in zip(deployments, flows, strict=True)
            if is_needed(deployment, settings) or await _is_there(client, deployment, flow)
        ]
        pools = await _create_pools(client, settings, [deployment for deployment, _ in registered])
        automations = await create_automations(client, settings.prefect)
        ids = [
            await deploy(client, deployment, flow, deployment.pool(settings.prefect.work_pool))
            for deployment, flow in registered
        ]
        await drop_left_runs(
            client,
            [
                id
                for id, (deployment, _) in zip(ids, registered, strict=True)
                if not any(schedule.active for schedule in deployment.schedules)
            ],
        )
    return [
        f"containers, exchange and queues; queue {settings.rabbitmq.queue}",
        *(f"work pool {pool}" for pool in pools),
        *(_in_words(deployment, settings) for deployment, _ in registered),
        *(f"block {block}" for block in blocks),
        *(f"automation {automation}" for automation in automations),
        *attention,
    ]


async def _create_pools(
    client: PrefectClient, settings: Settings, registered: list[Deployment]
) -> list[str]:
    """The pools of these deployments. A Docker deployment that is switched off has one too: Prefect
    takes no deployment whose pool was deleted or is called otherwise by now.
    """
    pool = settings.prefect.work_pool
    await create_work_pool(client, pool)
    if not any(deployment.is_docker for deployment in registered):
        return [pool]
    await create_docker_pool(client, docker_pool(pool))
    return [pool, docker_pool(pool)]


async def _is_there(client: PrefectClient, deployment: Deployment, flow: Flow[..., Any]) -> bool:
    try:
        await client.read_deployment_by_name(f"{flow.name}/{deployment.name}")
    except ObjectNotFound:
        return False
    return True


async def deploy(
    client: PrefectClient, deployment: Deployment, flow: Flow[..., Any], pool: str
) -> UUID:
    """The deployment has its stanza's values; Prefect replaces one of the same flow and name.
    Returns its id.
    """
    return await client.create_deployment(
        flow_id=await client.create_flow_from_name(flow.name),
        name=deployment.name,
        entrypoint=deployment.entrypoint,
        description=deployment.description,
        tags=deployment.tags,
        parameters=dict(deployment.parameters),
        schedules=[_schedule(schedule) for schedule in deployment.schedules],
        work_pool_name=pool,
        job_variables=dict(deployment.work_pool.job_variables),
        pull_steps=[],
        paused=deployment.paused,
        concurrency_limit=deployment.concurrency_limit,
        parameter_openapi_schema=parameter_schema(flow).model_dump(exclude_unset=True),
        enforce_parameter_schema=True,
    )


def _schedule(schedule: Schedule) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(
        schedule=CronSchedule(cron=schedule.cron, timezone=schedule.timezone),
        slug=schedule.slug,
        active=schedule.active,
        parameters=dict(schedule.parameters),
    )


def _in_words(deployment: Deployment, settings: Settings) -> str:
    operation = operation_named(deployment.name)
    inactive = why_inactive(operation, settings) if operation and operation.cron else None
    return f"deployment {deployment.name}" + (f", inactive: {inactive}" if inactive else "")
