"""`/api/v1/executions`: everything this system does for a tenant, whatever the workflow."""

from typing import Annotated, get_args

import msgspec
from litestar import get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from api import examples
from api.documents import Document
from api.errors import ExecutionEnded, ExecutionNotFound, InvalidRequest, Problem
from api.execution_documents import Execution, ExecutionPage, document_of, summary_of
from api.idempotency import KEY_ERRORS
from api.openapi import documented
from api.parameters import one_of, text
from api.records import Bus, Engine, Store, find
from api.tenancy import TenantId
from blocks.cancelling import cancel_execution as cancel
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import ExecutionStatus, InvalidTransition
from blocks.ports import NotFound
from blocks.steps import step_records


@get("/executions", summary="List executions", tags=["Executions"], responses=documented(examples.EXECUTION_PAGE))
async def list_executions(
    store: Store,
    tenant_id: TenantId,
    workflow: Annotated[str | None, text("Only this workflow")] = None,
    status: Annotated[ExecutionStatus | None, one_of(get_args(ExecutionStatus), "Only in this status")] = None,
    subject: Annotated[str | None, text("Only about this subject, e.g. an opportunity id")] = None,
    limit: Annotated[int, QueryParameter(description="Executions on a page", ge=1, le=100)] = 50,
    continuation: Annotated[
        str | None, text("The `continuation` of the page before, with the same filters", max_length=2000)
    ] = None,
) -> ExecutionPage:
    """The tenant's executions, newest first, without their results. No `continuation` in the answer: the last page."""
    filters = {"workflow": workflow, "status": status, "subject": subject}
    where = {name: value for name, value in filters.items() if value is not None}
    try:
        page = await store.query(tenant_id, ExecutionRecord, where, limit=limit, continuation=continuation)
    except ValueError:
        if continuation is None:
            raise
        problem = Problem(field="continuation", message="Not a continuation of this list", source="query")
        raise InvalidRequest(problem) from None
    return ExecutionPage(
        executions=[summary_of(stored.record) for stored in page.items], continuation=page.continuation
    )


@get(
    "/executions/{executionId:str}",
    summary="Read one execution",
    tags=["Executions"],
    responses=documented(examples.EXECUTION, ExecutionNotFound),
)
async def read_execution(
    store: Store, tenant_id: TenantId, execution_id: Annotated[str, PathParameter(name="executionId")]
) -> Execution:
    """The execution with its results and where each of its steps stands.

    A step that has not ended is `pending` or `running` with its execution, and `skipped` once the execution has ended.
    """
    execution = await find(store, tenant_id, ExecutionRecord, execution_id, ExecutionNotFound)
    return document_of(execution, await step_records(store, tenant_id, [execution.id]))


class Cancellation(Document, frozen=True, kw_only=True):
    """Why an execution is called off."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] = "cancelled by request"


@post(
    "/executions/{executionId:str}/cancel",
    status_code=200,
    summary="Cancel one execution",
    tags=["Executions"],
    responses=documented(examples.EXECUTION, ExecutionNotFound, ExecutionEnded, *KEY_ERRORS),
)
async def cancel_execution(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    execution_id: Annotated[str, PathParameter(name="executionId")],
    data: JSONBody[Cancellation],
) -> Execution:
    """The execution is cancelled and its end announced; others that share its flow run go on."""
    try:
        execution = await cancel(store, bus, flow_runs, tenant_id, execution_id, data.reason)
    except NotFound:
        raise ExecutionNotFound(execution_id) from None
    except InvalidTransition as error:
        raise ExecutionEnded(f"The execution is {error.current}") from None
    return document_of(execution, await step_records(store, tenant_id, [execution.id]))
