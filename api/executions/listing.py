"""`/api/v1/executions`: everything this system does for a tenant, whatever the workflow."""

from typing import Annotated, get_args

from litestar import get
from litestar.params import PathParameter

from api.access.tenancy import TenantId
from api.documentation.openapi import documented
from api.executions import examples
from api.executions.documents import Execution, ExecutionPage, summary_of
from api.executions.errors import ExecutionNotFound
from api.executions.shown import shown
from api.http.lists import LIMIT, Continuation, Limit, NewestOrOldest, Order, any_of, page_of
from api.http.parameters import Bound, Texts, between, moment, texts, words
from api.http.records import AllSettings, Store, find
from blocks.contracts.reading.uuids import spellings
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import ExecutionStatus
from blocks.ports import RecordStore, Where


@get(
    "/executions",
    summary="List executions",
    tags=["Executions"],
    responses=documented(examples.EXECUTION_PAGE),
)
async def list_executions(
    store: Store,
    tenant_id: TenantId,
    workflow: Annotated[Texts, texts("Only this workflow")] = None,
    status: Annotated[
        list[ExecutionStatus] | None, words(get_args(ExecutionStatus), "Only in this status")
    ] = None,
    subject: Annotated[Texts, texts("Only about this subject, e.g. an opportunity id")] = None,
    rerun_of: Annotated[
        Texts, texts("Only those that repeat this execution", name="rerunOf")
    ] = None,
    created_after: Annotated[
        Bound | None, moment("createdAfter", "Only those created then or later")
    ] = None,
    created_before: Annotated[
        Bound | None, moment("createdBefore", "Only those created before that")
    ] = None,
    order: Order = "newest",
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> ExecutionPage:
    """The tenant's executions, without their results. No `continuation` in the answer: the last
    page.
    """
    where = {
        "workflow": any_of(workflow),
        "status": any_of(status),
        "subject": any_of(subject, spellings),
        "rerun_of": any_of(rerun_of, spellings),
        "created_at": between(created_after, created_before),
    }
    return await page_of_executions(
        store, tenant_id, where, limit=limit, continuation=continuation, order=order
    )


async def page_of_executions(
    store: RecordStore,
    tenant_id: str,
    where: Where,
    *,
    limit: int,
    continuation: str | None,
    order: NewestOrOldest = "newest",
) -> ExecutionPage:
    """Raises `InvalidRequest` for a continuation of another list or of other conditions."""
    page = await page_of(
        store,
        tenant_id,
        ExecutionRecord,
        where,
        limit=limit,
        continuation=continuation,
        order=order,
    )
    return ExecutionPage(
        items=[summary_of(stored.record) for stored in page.items],
        continuation=page.continuation,
    )


@get(
    "/executions/{executionId:str}",
    summary="Read one execution",
    tags=["Executions"],
    responses=documented(examples.EXECUTION, ExecutionNotFound),
)
async def read_execution(
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    execution_id: Annotated[str, PathParameter(name="executionId")],
) -> Execution:
    """The execution with its results and where each of its steps stands.

    A step that has not ended is `pending` or `running` with its execution, and `skipped` once the
    execution has ended. The steps of a journey of claim recovery are its phases, those of the sync
    and of each claim, with their attempts and duration.
    """
    execution = await find(store, tenant_id, ExecutionRecord, execution_id, ExecutionNotFound)
    return await shown(store, execution, settings.prefect)
