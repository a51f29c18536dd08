"""`/executions`: what is done for the tenant, and `/executions/{id}`: one of them, live."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import QueryParameter
from litestar.response import Redirect

from api.access.tenancy import TenantId
from api.approvals.requests import page_of_approvals
from api.executions.actions import ExecutionPath
from api.executions.documents import Execution, ExecutionSummary
from api.executions.errors import ExecutionNotFound
from api.executions.listing import page_of_executions
from api.executions.shown import shown
from api.http.etags import etag_of_shown
from api.http.lists import Continuation
from api.http.records import AllSettings, Store, find
from api.pages.executions.findings import Findings, findings_of, results_of_steps
from api.pages.executions.history import history_of
from api.pages.executions.search import TABS, Search, title_of, workflows_of
from api.pages.executions.timeline import accepted_at, timeline_of
from api.pages.rendering import is_part, page
from blocks.clock import utc_now
from blocks.contracts import analysis
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.roles import allows
from blocks.contracts.states import OPEN, RETRYABLE, TERMINAL
from blocks.contracts.workflows import WORKFLOWS
from blocks.ports import NotFound, RecordStore

PAGE_SIZE = 25
_APPROVALS_SHOWN = 20


class May(msgspec.Struct, frozen=True, kw_only=True):
    """What this person can do with this execution, as it is."""

    retry: bool
    cancel: bool
    rerun: bool
    see_engine: bool
    """Prefect's page of the run."""
    see_letters: bool
    """The dead letters of refused answers."""


def field(description: str, name: str | None = None) -> QueryParameter:
    """Of a form that is sent with the address: it may be empty."""
    return QueryParameter(name=name, description=description, max_length=200)


@get("/executions")
async def show_executions(
    request: Request[Any, Any, Any],
    store: Store,
    tenant_id: TenantId,
    text: Annotated[str, field("An execution's id, or its subject", "q")] = "",
    workflow: Annotated[str, field("Only this workflow")] = "",
    status: Annotated[str, field("Only in this status")] = "",
    since: Annotated[str, field("The first day", "from")] = "",
    until: Annotated[str, field("The last day", "to")] = "",
    continuation: Continuation = None,
) -> Response[Any]:
    """The newest first; what is looked for by the id of an execution is opened at once."""
    if text and (found := await _of_id(store, tenant_id, text.strip())):
        return Redirect(f"/executions/{found}", status_code=303)
    search = Search(text=text.strip(), workflow=workflow, status=status, since=since, until=until)
    found_page = await page_of_executions(
        store, tenant_id, search.where(), limit=PAGE_SIZE, continuation=continuation
    )
    return page(
        "executions/list.html" if is_part(request) else "executions/executions.html",
        search=search,
        items=found_page.items,
        continuation=continuation,
        following=found_page.continuation,
        tabs_of=TABS,
        workflows=workflows_of(tenant_id),
        counts=await _counts(store, tenant_id),
        title_of=title_of,
        seconds_of=seconds_of,
    )


@get("/executions/{executionId:str}")
async def show_execution(
    request: Request[Any, Any, Any],
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    execution_id: ExecutionPath,
) -> Response[Any]:
    """The execution with its timeline, what it found and what happened; live while it is open."""
    record = await find(store, tenant_id, ExecutionRecord, execution_id, ExecutionNotFound)
    execution = await shown(store, record, settings.prefect)
    approvals = await _approvals_of(store, tenant_id, execution.id)
    now = utc_now()
    return page(
        "executions/standing.html" if is_part(request) else "executions/execution.html",
        execution=execution,
        record=record,
        title=title_of(execution.workflow),
        is_open=execution.status not in TERMINAL,
        seconds=seconds_of(execution),
        timeline=timeline_of(execution, [one for one in approvals if _is_of(one, execution)], now),
        findings=_findings(execution),
        history=history_of(execution, approvals),
        waiting_for=next((one for one in approvals if one.status == "pending"), None),
        may=_may(request, execution),
        accepted=accepted_at(execution),
        version=etag_of_shown(execution),
    )


def seconds_of(execution: ExecutionSummary) -> float | None:
    """From its acceptance to its end, retries included; None: it has not ended."""
    if execution.completed_at is None:
        return None
    return max((execution.completed_at - execution.created_at).total_seconds(), 0)


async def _of_id(store: RecordStore, tenant_id: str, text: str) -> str | None:
    """The id, if the tenant has an execution of it."""
    known_id = canonical_uuid(text)
    if known_id is None:
        return None
    try:
        return (await store.read(tenant_id, ExecutionRecord, known_id)).record.id
    except NotFound:
        return None


async def _counts(store: RecordStore, tenant_id: str) -> dict[str, int]:
    """Of the tabs that ask for attention."""
    return {
        name: await store.count(tenant_id, ExecutionRecord, {"status": statuses})
        for name, statuses in (
            ("open", OPEN),
            ("awaiting_approval", ("awaiting_approval",)),
            ("failed", ("failed",)),
        )
    }


async def _approvals_of(
    store: RecordStore, tenant_id: str, execution_id: str
) -> list[ApprovalRecord]:
    approvals, _ = await page_of_approvals(
        store,
        tenant_id,
        {"execution_id": execution_id},
        mine=None,
        overdue_at=None,
        limit=_APPROVALS_SHOWN,
        continuation=None,
        order="oldest",
    )
    return approvals


def _is_of(approval: ApprovalRecord, execution: Execution) -> bool:
    """Whether it belongs to the present try."""
    return approval.retry == execution.retries


def _findings(execution: Execution) -> Findings | None:
    """Of an analysis; what its steps have answered so far, if it has not ended."""
    if execution.workflow != analysis.WORKFLOW:
        return None
    results = execution.results or results_of_steps(execution.steps)
    keys = {step.name: step.result_key for step in analysis.ANALYSIS_STEPS}
    missing = {
        keys[step.step]: step.error or step.status for step in execution.steps if step.step in keys
    }
    return findings_of(results, missing)


def _may(request: Request[Any, Any, Any], execution: Execution) -> May:
    roles: Sequence[str] = list(request.user.roles)
    operates = allows(roles, "operator")
    workflow = WORKFLOWS.get(execution.workflow)
    at_rest_failed = execution.status == "waiting" and bool(execution.failed_step)
    can_retry = execution.status in RETRYABLE or at_rest_failed
    has_ended = execution.status in TERMINAL
    return May(
        retry=operates and bool(workflow and workflow.retryable) and can_retry,
        cancel=operates and bool(workflow and workflow.cancellable) and not has_ended,
        rerun=operates and bool(workflow and workflow.startable) and has_ended,
        see_engine=operates,
        see_letters=allows(roles, "admin"),
    )
