"""Prefect has the work pool with workers that poll it, and every deployment of prefect.yaml."""

import asyncio
from collections.abc import Iterator, Sequence

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterTags,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import WorkerStatus, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint

from blocks.adapters.prefect.flow_runs import TAG
from blocks.contracts.operations import OPERATIONS
from blocks.operations.schedules import why_inactive
from blocks.settings import Settings
from deployments.bootstrap.docker_runs import is_needed
from deployments.bootstrap.prefect_yaml import Deployment, docker_pool
from deployments.bootstrap.schedules import wanted
from deployments.doctor.connections import Connections
from deployments.doctor.finding import Finding, counted, failed, ok, warning
from deployments.worker.in_process_worker import InProcessWorker

PART = "deployments"
BOOTSTRAP = "run `orchestrator bootstrap`"


# --- work pool ------------------------------------------------------------------------------------


async def work_pool(connections: Connections) -> list[Finding]:
    """It, and that of Docker if any schedule is there, exists, is not paused, a worker polls it,
    and no flow run is late.
    """
    assert connections.prefect
    pool = connections.settings.prefect.work_pool
    findings = await _pool(connections.prefect, pool, InProcessWorker.type, "`orchestrator worker`")
    if connections.settings.docker_runs.scheduled_names:
        name = docker_pool(pool)
        start = f"`prefect worker start --pool {name} --type docker`"
        findings += await _pool(connections.prefect, name, "docker", start)
    return findings


async def _pool(client: PrefectClient, name: str, type: str, start: str) -> list[Finding]:
    """`type` is the one that it should have, `start` the command that starts a worker of it."""
    try:
        pool = await client.read_work_pool(name)
    except ObjectNotFound:
        return [failed("work pool", f"Prefect has no work pool {name}", BOOTSTRAP)]
    if pool.is_paused:
        return [failed("work pool", f"{name} is paused", f"`prefect work-pool resume {name}`")]
    online = [
        worker
        for worker in await client.read_workers_for_work_pool(name)
        if worker.status == WorkerStatus.ONLINE
    ]
    if not online:
        return [failed("work pool", f"no worker polls {name}", f"start one: {start}")]
    return [
        ok("work pool", f"{name}, with {counted(len(online), 'worker')} online"),
        *_type(pool, type),
        *await _late(client, name, start),
    ]


def _type(pool: WorkPool, type: str) -> list[Finding]:
    if pool.type == type:
        return []
    if type != InProcessWorker.type:
        found = f"{pool.name} is of type {pool.type}, not {type}: its runs are no containers"
        return [warning("work pool", found, f"delete it in Prefect, then {BOOTSTRAP}")]
    found = f"{pool.name} is of type {pool.type}: each run starts an interpreter of its own"
    better = f"name a pool of type {type} with PREFECT_WORK_POOL, then bootstrap"
    return [warning("work pool", found, better)]


async def _late(client: PrefectClient, pool: str, start: str) -> list[Finding]:
    late = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG]),
            state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Late"])),
        ),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=200,
    )
    if not late:
        return []
    since = late[0].expected_start_time
    found = f"late flow runs: {len(late)}, the oldest since {since:%Y-%m-%d %H:%M} UTC"
    return [warning("work pool", found, f"start more workers: {start}")]


# --- deployments ----------------------------------------------------------------------------------


async def deployments(connections: Connections) -> list[Finding]:
    """Each is registered, its source can be loaded and its schedules are those of the settings."""
    assert connections.prefect
    settings = connections.settings
    all_wanted = wanted(settings)
    needed = {one.name for one in all_wanted if is_needed(one, settings)}
    findings = [
        found
        for deployment in all_wanted
        for found in await _deployment(
            connections.prefect, deployment, is_needed=deployment.name in needed
        )
    ]
    active = sum(schedule.active for one in all_wanted for schedule in one.schedules)
    all_well = ok(PART, f"{len(needed)} registered, their sources load, {active} schedules active")
    return [*(findings or [all_well]), *_inactive(settings)]


def _inactive(settings: Settings) -> Iterator[Finding]:
    """Operations that no schedule starts, each with the reason."""
    for operation in OPERATIONS:
        reason = why_inactive(operation, settings) if operation.cron else None
        if reason:
            yield ok(PART, f"{operation.id} is inactive: {reason}")


async def _deployment(
    client: PrefectClient, wanted: Deployment, *, is_needed: bool
) -> list[Finding]:
    flow_name, problem = await asyncio.to_thread(_loaded, wanted.entrypoint)
    if flow_name is None:
        found = f"{wanted.name}: its source cannot be loaded: {problem}"
        return [failed(PART, found, "install the version that prefect.yaml belongs to")]
    try:
        there = await client.read_deployment_by_name(f"{flow_name}/{wanted.name}")
    except ObjectNotFound:
        unknown = failed(PART, f"{wanted.name}: Prefect does not know it", BOOTSTRAP)
        return [unknown] if is_needed else []
    return list(_differences(wanted, there))


def _loaded(entrypoint: str) -> tuple[str | None, str]:
    """The flow's name, or the reason why it cannot be loaded."""
    try:
        return load_flow_from_entrypoint(entrypoint).name, ""
    except Exception as error:  # importing a module can raise anything
        return None, f"{entrypoint}: {type(error).__name__}: {error}"


def _differences(wanted: Deployment, there: DeploymentResponse) -> Sequence[Finding]:
    found = []
    if there.entrypoint != wanted.entrypoint:
        found.append(
            failed(
                PART,
                f"{wanted.name} points at {there.entrypoint}, not at {wanted.entrypoint}",
                BOOTSTRAP,
            )
        )
    if there.work_pool_name is None or there.work_queue_name is None:
        found.append(failed(PART, f"{wanted.name} has no work pool: its runs wait", BOOTSTRAP))
    if there.paused and not wanted.paused:
        resume = "switch it on in Prefect's UI, or run `orchestrator bootstrap`"
        found.append(warning(PART, f"{wanted.name} is paused: its schedules do nothing", resume))
    crons = {
        (one.schedule.cron, one.schedule.timezone or "UTC", one.active)
        for one in there.schedules
        if isinstance(one.schedule, CronSchedule)
    }
    if crons != {(one.cron, one.timezone, one.active) for one in wanted.schedules}:
        shown = ", ".join(
            f"{cron} {zone}{'' if active else ' (off)'}" for cron, zone, active in sorted(crons)
        )
        difference = (
            f"{wanted.name}: its schedule is not that of the settings, but {shown or 'none'}"
        )
        found.append(warning(PART, difference, BOOTSTRAP))
    return found
