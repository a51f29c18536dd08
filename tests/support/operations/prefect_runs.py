"""Runs of operations on a whole system, as a person starts them in Prefect."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import Operation
from blocks.contracts.records import ExecutionRecord
from blocks.ports import Query
from tests.support.system.orchestra import Orchestra
from tests.support.waiting import eventually


async def run_by_hand(parts: Orchestra, operation: Operation, **input: Any) -> ExecutionRecord:
    """The execution of a run that was started with this input, ended; fails after 90 s."""
    return await ended(parts, operation, await requested(parts, operation, **input))


async def requested(parts: Orchestra, operation: Operation, **input: Any) -> FlowRun:
    """A run with this input, which no worker has taken yet."""
    async with _client_of(parts) as client:
        deployment = await client.read_deployment_by_name(f"{operation.id}/{operation.id}")
        return await client.create_flow_run_from_deployment(
            deployment.id, parameters={"input": input}
        )


async def ended(parts: Orchestra, operation: Operation, run: FlowRun) -> ExecutionRecord:
    """The execution of this run, ended; fails after 90 s."""
    async with _client_of(parts) as client:

        async def has_ended() -> bool:
            state = (await client.read_flow_run(run.id)).state
            return bool(state and state.is_final())

        try:
            await eventually(has_ended, within_seconds=90, every_seconds=0.3)
        except AssertionError:
            raise AssertionError(parts.logs()) from None
    return await execution_of(parts, operation, run)


async def execution_of(parts: Orchestra, operation: Operation, run: FlowRun) -> ExecutionRecord:
    page = await parts.store.query(
        SYSTEM_TENANT, Query(ExecutionRecord, {"workflow": operation.id})
    )
    [execution] = [one.record for one in page.items if one.record.flow_run_id == str(run.id)]
    return execution


async def artifacts_of(parts: Orchestra, execution: ExecutionRecord) -> list[str]:
    """What Prefect shows on the page of its run."""
    assert execution.flow_run_id
    run = ArtifactFilterFlowRunId(any_=[UUID(execution.flow_run_id)])
    async with _client_of(parts) as client:
        found = await client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=run))
    return [str(one.data) for one in found]


@asynccontextmanager
async def _client_of(parts: Orchestra) -> AsyncIterator[PrefectClient]:
    with temporary_settings({PREFECT_API_URL: str(parts.settings.prefect.api_url)}):
        async with get_client() as client:
            yield client
