"""`/workflows`: all that runs here, one of it, and starting one by hand."""

from typing import Annotated, Any
from uuid import uuid4

import msgspec
from litestar import Request, Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.params import PathParameter
from litestar.response import Redirect

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.http.errors import Answer, IdempotencyMismatch, InvalidRequest, Problem, add_answers
from api.http.records import AllSettings, Bus, Engine, Store
from api.jobs.triggering import trigger_for
from api.pages.forms import Form, form_in
from api.pages.messages import flash
from api.pages.rendering import is_part, page
from api.pages.workflows.families import (
    WorkflowUnknown,
    began_at,
    family_of,
    groups_for,
)
from blocks.actions import starting
from blocks.actions.starting import KeyReused
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import operation_named
from blocks.contracts.roles import allows
from blocks.contracts.workflows import startable
from blocks.jobs.shown import show_in_prefect
from blocks.json_text import read_json
from blocks.operations import runs

add_answers(
    {WorkflowUnknown: Answer(404, "WORKFLOW_UNKNOWN", "Nothing of this name runs here for you")}
)

WorkflowPath = Annotated[str, PathParameter(name="workflowId")]
JobPath = Annotated[str, PathParameter(name="job")]

Text = Annotated[str, msgspec.Meta(max_length=200)]
Key = Annotated[str, msgspec.Meta(min_length=8, max_length=100, pattern=r"^[A-Za-z0-9-]+$")]
"""Of the page that was shown: sent twice, its form starts one run."""


class JobForm(Form, frozen=True, kw_only=True):
    """What a job's trigger takes, each as a field; lists are separated by commas."""

    key: Key
    begin: Text | None = msgspec.field(default=None, name="from")
    to: Text | None = None
    tenant_ids: Annotated[str, msgspec.Meta(max_length=50_000)] | None = None
    tenant_id: Text | None = None
    industry_ids: Annotated[str, msgspec.Meta(max_length=50_000)] | None = None
    period: Text | None = None
    outcomes_days: int | None = None

    def metadata(self) -> JsonObject:
        stated = {
            "from": self.begin,
            "to": self.to,
            "tenantIds": _listed(self.tenant_ids),
            "tenantId": self.tenant_id,
            "industryIds": _listed(self.industry_ids),
            "period": self.period,
            "outcomesDays": self.outcomes_days,
        }
        return {name: value for name, value in stated.items() if value is not None}


class StartForm(Form, frozen=True, kw_only=True):
    """A workflow's subject, or an operation's input."""

    key: Key
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    input: Annotated[str, msgspec.Meta(max_length=100_000)] = "{}"


@get("/workflows")
async def show_workflows(
    request: Request[Any, Any, Any], store: Store, settings: AllSettings, tenant_id: TenantId
) -> Response[Any]:
    """All families, with the last outcomes of each."""
    return page(
        "workflows/list.html" if is_part(request) else "workflows/workflows.html",
        groups=await groups_for(store, settings, tenant_id),
        began_at=began_at,
    )


@get("/workflows/{workflowId:str}")
async def show_workflow(
    request: Request[Any, Any, Any],
    store: Store,
    settings: AllSettings,
    tenant_id: TenantId,
    workflow_id: WorkflowPath,
) -> Response[Any]:
    """One family: when it runs, how its last runs went, and forms to start it."""
    return page(
        "workflows/runs.html" if is_part(request) else "workflows/workflow.html",
        family=await family_of(store, settings, tenant_id, workflow_id),
        began_at=began_at,
        may_operate=allows(request.user.roles, "operator"),
        is_platform=tenant_id == SYSTEM_TENANT,
        key=str(uuid4()),
    )


@post("/workflows/{workflowId:str}/start")
async def start_workflow(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    workflow_id: WorkflowPath,
) -> Response[Any]:
    """A run of the workflow or operation is durable, and waits for dispatch."""
    form = await form_in(request, StartForm)
    given, operation = _input_in(form.input), operation_named(workflow_id)
    try:
        if operation and tenant_id == SYSTEM_TENANT:
            await runs.trigger(store, bus, operation, given, f"page {form.key}", actor.on_record)
        elif workflow_id in startable():
            if form.subject is None:
                raise InvalidRequest(
                    Problem(field="subject", message="must be given", source="body")
                )
            start = starting.StartRequest(
                workflow=workflow_id,
                subject=form.subject,
                input=given,
                key=f"page {form.key}",
                actor=actor.on_record,
            )
            await starting.start_execution(store, bus, tenant_id, start)
        else:
            raise WorkflowUnknown
    except KeyReused:
        raise IdempotencyMismatch from None
    flash(request, "Started: its run appears below.", "done")
    return Redirect(f"/workflows/{workflow_id}", status_code=303)


@post("/jobs/{job:str}/trigger")
async def trigger_job_on_page(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    job: JobPath,
) -> Response[Any]:
    """The trigger is with the batch workers; the job's page shows its run."""
    form = await form_in(request, JobForm)
    execution = await trigger_for(store, bus, tenant_id, job, form.metadata(), form.key)
    flash(request, "Triggered: its run appears below.", "done")
    return Redirect(
        f"/workflows/{job}",
        status_code=303,
        background=BackgroundTask(show_in_prefect, flow_runs, execution),
    )


def _listed(text: str | None) -> list[str] | None:
    if text is None:
        return None
    return [one.strip() for one in text.replace("\n", ",").split(",") if one.strip()]


def _input_in(text: str) -> JsonObject:
    try:
        given = read_json(text)
    except ValueError as error:
        message = f"is not JSON: {error}"
        raise InvalidRequest(Problem(field="input", message=message, source="body")) from None
    if not isinstance(given, dict):
        raise InvalidRequest(Problem(field="input", message="must be an object", source="body"))
    return given
