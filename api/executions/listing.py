"""`/api/v1/executions`: everything this system does for a tenant, whatever the workflow."""

from datetime import datetime
from typing import Annotated, get_args

from litestar import get
from litestar.params import PathParameter, QueryParameter

from api.access.tenancy import TenantId
from api.documentation.openapi import documented
from api.executions import examples
from api.executions.documents import Execution, ExecutionPage, summary_of
from api.executions.errors import ExecutionNotFound
from api.executions.shown import shown
from api.http.parameters import in_utc, moment, one_of, text
from api.http.records import AllSettings, Store, find, page_of
from blocks.contracts.reading.uuids import matching_id, spellings
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import ExecutionStatus
from blocks.ports import Between


@get(
    "/executions",
    summary="List executions",
    tags=["Executions"],
    responses=documented(examples.EXECUTION_PAGE),
)
async def list_executions(
    store: Store,
    tenant_id: TenantId,
    workflow: Annotated[str | None, text("Only this workflow")] = None,
    status: Annotated[
        ExecutionStatus | None, one_of(get_args(ExecutionStatus), "Only in this status")
    ] = None,
    subject: Annotated[str | None, text("Only about this subject, e.g. an opportunity id")] = None,
    rerun_of: Annotated[
        str | None, text("Only those that repeat this execution", name="rerunOf")
    ] = None,
    created_after: Annotated[
        datetime | None, moment("createdAfter", "Only those created then or later")
    ] = None,
    created_before: Annotated[
        datetime | None, moment("createdBefore", "Only those created before that")
    ] = None,
    limit: Annotated[int, QueryParameter(description="Executions on a page", ge=1, le=100)] = 50,
    continuation: Annotated[
        str | None,
        text("The `continuation` of the page before, with the same filters", max_length=2000),
    ] = None,
) -> ExecutionPage:
    """The tenant's executions, newest first, without their results. No `continuation` in the
    answer: the last page.
    """
    created = Between(since=in_utc(created_after), until=in_utc(created_before))
    filters = {
        "workflow": workflow,
        "status": status,
        "subject": subject and spellings(subject),
        "rerun_of": rerun_of and matching_id(rerun_of),
        "created_at": created,
    }
    where = {name: value for name, value in filters.items() if value is not None}
    page = await page_of(
        store, tenant_id, ExecutionRecord, where, limit=limit, continuation=continuation
    )
    return ExecutionPage(
        executions=[summary_of(stored.record) for stored in page.items],
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
