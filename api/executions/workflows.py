"""`/api/v1/workflows`: opportunity analyses under the routes that the platform's older clients
call.
"""

from typing import Annotated

from litestar import get, post
from litestar.params import PathParameter, QueryParameter

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.documentation.openapi import documented
from api.executions import examples
from api.executions.errors import WorkflowNotFound, WorkflowNotRetryable
from api.executions.workflow_documents import RetryInitiated, Workflow, WorkflowList, workflow_of
from api.http.records import Bus, Store, find
from api.idempotency import KEY_ERRORS
from blocks.actions import retrying
from blocks.contracts import analysis
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ExecutionRecord
from blocks.executions.steps import step_records
from blocks.ports import Query


@get(
    "/workflows",
    summary="List the analyses of an opportunity",
    tags=["Workflows"],
    responses=documented(examples.WORKFLOW_LIST),
)
async def list_workflows(
    store: Store,
    tenant_id: TenantId,
    opportunity_id: Annotated[
        str, QueryParameter(name="opportunityId", min_length=1, max_length=200)
    ],
) -> WorkflowList:
    """The analyses of the opportunity, newest first, at most 100. For all of them, page through
    `/executions`.
    """
    where = {"workflow": analysis.WORKFLOW, "subject": spellings(opportunity_id)}
    page = await store.query(tenant_id, Query(ExecutionRecord, where, limit=100))
    executions = [stored.record for stored in page.items]
    steps = await step_records(store, tenant_id, [execution.id for execution in executions])
    workflows = [workflow_of(execution, steps) for execution in executions]
    return WorkflowList(workflows=workflows, total=len(workflows))


@get(
    "/workflows/{workflowId:str}",
    summary="Read one analysis",
    tags=["Workflows"],
    responses=documented(examples.WORKFLOW, WorkflowNotFound),
)
async def read_workflow(
    store: Store, tenant_id: TenantId, workflow_id: Annotated[str, PathParameter(name="workflowId")]
) -> Workflow:
    """The analysis with its four steps; its id is that of the execution."""
    execution = await find(store, tenant_id, ExecutionRecord, workflow_id, WorkflowNotFound)
    if execution.workflow != analysis.WORKFLOW:
        raise WorkflowNotFound
    return workflow_of(execution, await step_records(store, tenant_id, [execution.id]))


@post(
    "/workflows/{workflowId:str}/retry",
    status_code=200,
    summary="Retry one analysis",
    tags=["Workflows"],
    responses=documented(
        examples.RETRY_INITIATED, WorkflowNotFound, WorkflowNotRetryable, *KEY_ERRORS
    ),
)
async def retry_workflow(
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    workflow_id: Annotated[str, PathParameter(name="workflowId")],
) -> RetryInitiated:
    """The analysis, which had failed or was cancelled, is under way again under its id; what
    succeeded is kept.
    """
    known = await find(store, tenant_id, ExecutionRecord, workflow_id, WorkflowNotFound)
    if known.workflow != analysis.WORKFLOW:
        raise WorkflowNotFound
    try:
        await retrying.retry_execution(store, bus, tenant_id, known.id, actor.on_record)
    except retrying.NotRetryable as error:
        raise WorkflowNotRetryable(known.id, error.reason) from None
    return RetryInitiated(workflow_id=known.id)
