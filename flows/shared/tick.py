"""The tick that a flow run stands for, as Prefect has it: the same in every retry of the run."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import prefect.runtime.flow_run
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort

from blocks.adapters.prefect.flow_runs import DONE_OUTSIDE
from blocks.schedules.ticks import Days, Schedule, days_of_last_tick, days_of_tick


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """When the run was to begin, when it first began, and by which schedule. A run that a person
    started has none.
    """

    flow_run_id: str
    at: datetime
    begun_at: datetime
    newer: datetime | None
    """The newest tick of the same schedule that was due as well when this one began."""
    is_scheduled: bool
    schedule: Schedule | None
    days: Days | None
    """The days that the tick stands for; None: no schedule, or no day has begun since the tick
    before.
    """


async def current_tick() -> Tick:
    """The present flow run's tick. Raises httpx's and Prefect's errors if Prefect is down."""
    async with get_client() as client:
        run = await client.read_flow_run(UUID(prefect.runtime.flow_run.id))
        # Set when the run was scheduled and never again; the start time, when it first ran.
        at = (run.expected_start_time or run.created or datetime.now(UTC)).astimezone(UTC)
        begun_at = (run.start_time or datetime.now(UTC)).astimezone(UTC)
        schedule = await _schedule(client, run)
        newer = await _newer(client, run, at, begun_at)
        return Tick(
            flow_run_id=str(run.id),
            at=at,
            begun_at=begun_at,
            newer=newer,
            is_scheduled=run.auto_scheduled,
            schedule=schedule,
            days=await _days(schedule, at, is_scheduled=run.auto_scheduled),
        )


async def _schedule(client: PrefectClient, run: FlowRun) -> Schedule | None:
    """The cron of the run, or the deployment's first, as it stands in Prefect, where operators may
    have changed it.
    """
    if run.deployment_id is None:
        return None
    made_by = run.created_by and run.created_by.id
    crons = [
        (found.id == made_by, found.schedule)
        for found in await client.read_deployment_schedules(run.deployment_id)
        if isinstance(found.schedule, CronSchedule)
    ]
    if not crons:
        return None
    _, cron = max(crons, key=lambda found: found[0])
    return Schedule(cron.cron, cron.timezone or "UTC", cron.day_or)


async def _days(schedule: Schedule | None, at: datetime, *, is_scheduled: bool) -> Days | None:
    if schedule is None:
        return None
    return await (days_of_tick if is_scheduled else days_of_last_tick)(schedule, at)


async def _newer(
    client: PrefectClient, run: FlowRun, at: datetime, until: datetime
) -> datetime | None:
    """Read from Prefect, not computed: it has its own rules for hours that clock changes skip."""
    if run.deployment_id is None or until <= at:
        return None
    found = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            expected_start_time=FlowRunFilterExpectedStartTime(
                after_=at + timedelta(microseconds=1), before_=until
            ),
            state=FlowRunFilterState(
                type=FlowRunFilterStateType(not_any_=[StateType.CANCELLED]),
                # a trigger by hand is in the same list, and is no tick
                name=FlowRunFilterStateName(not_any_=[DONE_OUTSIDE]),
            ),
        ),
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[run.deployment_id])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=1,
    )
    return found[0].expected_start_time if found else None
