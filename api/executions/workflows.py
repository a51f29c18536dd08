"""`/api/v1/workflows`: opportunity analyses under the routes that the platform's older clients
call.
"""

from typing import Annotated, Any

from litestar import Response, get, post
from litestar.params import PathParameter, QueryParameter

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.documentation.openapi import documented
from api.executions import examples
from api.executions.errors import WorkflowNotFound, WorkflowNotRetryable
from api.executions.older_workflows import Listed, add_older, read_either
from api.executions.workflow_documents import RetryInitiated, Workflow, WorkflowList, workflow_of
from api.http.records import Bus, Store
from api.idempotency import KEY_ERRORS
from blocks.actions import retrying
from blocks.contracts import analysis
from blocks.contracts.older_service import OlderWorkflow
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ExecutionRecord
from blocks.executions.steps import step_records
from blocks.migration.adopting import adopt_for_retry
from blocks.ports import NotFound, Query, RecordStore

_LISTED = 100


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
) -> Response[WorkflowList]:
    """The analyses of the opportunity, newest first, at most 100. For all of them, page through
    `/executions`. Those of the older service are answered as it stored them.
    """
    where = {"workflow": analysis.WORKFLOW, "subject": spellings(opportunity_id)}
    page = await store.query(
        tenant_id, Query(ExecutionRecord, where, limit=_LISTED, skips_unreadable=True)
    )
    executions = [stored.record for stored in page.items]
    listed = await add_older(store, tenant_id, opportunity_id, executions, _LISTED)
    return _answer({"workflows": await _shown(store, tenant_id, listed), "total": len(listed)})


@get(
    "/workflows/{workflowId:str}",
    summary="Read one analysis",
    tags=["Workflows"],
    responses=documented(examples.WORKFLOW, WorkflowNotFound),
)
async def read_workflow(
    store: Store, tenant_id: TenantId, workflow_id: Annotated[str, PathParameter(name="workflowId")]
) -> Response[Workflow]:
    """The analysis with its four steps; its id is that of the execution. One of the older service
    is answered as it was stored.
    """
    one = await _found(store, tenant_id, workflow_id)
    [shown] = await _shown(store, tenant_id, [one])
    return _answer(shown)


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
    succeeded is kept. So is one of the older service, also one that was still under way there.
    """
    known = await _found(store, tenant_id, workflow_id)
    try:
        await _adopt(store, tenant_id, known)
        await retrying.retry_execution(store, bus, tenant_id, known.id, actor.on_record)
    except retrying.NotRetryable as error:
        raise WorkflowNotRetryable(known.id, error.reason) from None
    return RetryInitiated(workflow_id=known.id)


async def _found(store: RecordStore, tenant_id: str, workflow_id: str) -> Listed:
    try:
        one = await read_either(store, tenant_id, workflow_id)
    except NotFound:
        raise WorkflowNotFound from None
    if isinstance(one, ExecutionRecord) and one.workflow != analysis.WORKFLOW:
        raise WorkflowNotFound
    return one


async def _adopt(store: RecordStore, tenant_id: str, known: Listed) -> None:
    """It is an execution, if it was none yet."""
    if isinstance(known, OlderWorkflow):
        await adopt_for_retry(store, tenant_id, known.id)


async def _shown(store: RecordStore, tenant_id: str, listed: list[Listed]) -> list[Any]:
    """An older document as it is: its clients know what may be odd in it."""
    executions = [one.id for one in listed if isinstance(one, ExecutionRecord)]
    steps = await step_records(store, tenant_id, executions)
    return [
        workflow_of(one, steps) if isinstance(one, ExecutionRecord) else one.document
        for one in listed
    ]


def _answer(content: Any) -> Response[Any]:
    return Response(content)
