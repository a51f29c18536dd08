"""Runs that Prefect's scheduler has made for a schedule which is off by now."""

from collections.abc import Collection
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

_PAGE = 200


async def drop_left_runs(client: PrefectClient, deployment_ids: Collection[UUID]) -> None:
    """No run that a schedule has made for later is left of these deployments, whose schedules are
    off; what people have scheduled stays.

    Prefect deletes such runs itself when a deployment changes. But a round of its scheduler that
    has begun before goes on with the schedule that it has read.
    """
    if not deployment_ids:
        return
    offset = 0
    while runs := await client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=list(deployment_ids))),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        ),
        sort=FlowRunSort.ID_DESC,
        limit=_PAGE,
        offset=offset,
    ):
        left = [run for run in runs if run.auto_scheduled]
        for run in left:
            try:
                await client.delete_flow_run(run.id)
            except ObjectNotFound:
                continue
        offset += len(runs) - len(left)
