"""Forms of an execution's page: retry, cancel, run again; each leads back to a page."""

from collections.abc import Awaitable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.response import Redirect

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.executions import changes
from api.executions.actions import ExecutionPath
from api.executions.errors import ExecutionEnded
from api.http.errors import Changed, body_of
from api.http.records import AllSettings, Bus, Engine, Store
from api.pages.forms import Form, form_in
from api.pages.messages import flash
from blocks.actions.retrying import NotRetryable
from blocks.actions.starting import NotRerunnable

_REFUSALS = (Changed, ExecutionEnded, NotRetryable, NotRerunnable)
"""The page itself shows why: someone, or the system, was faster."""


class Change(Form, frozen=True, kw_only=True):
    """`version` is the ETag of what the person saw."""

    version: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class Cancellation(Change, frozen=True, kw_only=True):
    reason: Annotated[str, msgspec.Meta(max_length=500)] = "cancelled by request"


@post("/executions/{executionId:str}/retry")
async def retry_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    execution_id: ExecutionPath,
) -> Response[Any]:
    """The execution is pending again."""
    form = await form_in(request, Change)
    who = actor.on_record
    retried = changes.retry(store, bus, settings, tenant_id, who, execution_id, form.version)
    await _done(request, retried, "It is tried again; what succeeded is kept.")
    return _back_to(execution_id)


@post("/executions/{executionId:str}/cancel")
async def cancel_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    settings: AllSettings,
    tenant_id: TenantId,
    execution_id: ExecutionPath,
) -> Response[Any]:
    """The execution is cancelled and its end announced."""
    form = await form_in(request, Cancellation)
    cancelled = changes.cancel(
        store, bus, flow_runs, settings, tenant_id, execution_id, form.reason, form.version
    )
    await _done(request, cancelled, "It is cancelled.")
    return _back_to(execution_id)


@post("/executions/{executionId:str}/rerun")
async def rerun_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    execution_id: ExecutionPath,
) -> Response[Any]:
    """The page of the new execution, or of the old one with the reason why there is none."""
    rerun = changes.rerun(store, bus, tenant_id, actor.on_record, execution_id)
    new = await _done(request, rerun, "This is a new execution with the same input.")
    return _back_to(new.id if new else execution_id)


async def _done(request: Request[Any, Any, Any], change: Awaitable[Any], message: str) -> Any:
    """What the change made, and the message for the next page; None: it was refused."""
    try:
        made = await change
    except _REFUSALS as error:
        flash(request, f"{body_of(error).message}. This is how it stands now.", "problem")
        return None
    flash(request, message, "done")
    return made


def _back_to(execution_id: str) -> Redirect:
    return Redirect(f"/executions/{execution_id}", status_code=303)
