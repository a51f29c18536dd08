"""`/api/v1/executions`: start, cancel, retry and rerun an execution."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.params import JSONBody, PathParameter

from api.access.actor import Caller
from api.access.tenancy import TenantId
from api.documentation.openapi import documented
from api.executions import changes, examples
from api.executions.documents import Cancellation, Execution, NewExecution
from api.executions.errors import ExecutionEnded, ExecutionNotFound
from api.executions.shown import shown
from api.http.errors import Changed, IdempotencyMismatch, InvalidRequest, Problem
from api.http.etags import IfMatch
from api.http.records import AllSettings, Bus, Engine, Store
from api.idempotency import HEADER, KEY_ERRORS
from blocks.actions import retrying, starting
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.workflows import startable
from blocks.ports import RecordStore
from blocks.settings import Prefect

ExecutionPath = Annotated[str, PathParameter(name="executionId")]


@post(
    "/executions",
    summary="Start an execution",
    tags=["Executions"],
    responses=documented(
        examples.STARTED_EXECUTION, *KEY_ERRORS, status=201, named="StartedExecution"
    ),
)
async def start_execution(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    data: JSONBody[NewExecution],
) -> Response[Execution]:
    """The execution is recorded as if an event had started it, and waits for dispatch.

    There is the workflow `opportunity-analysis`. With an Idempotency-Key its id is computed from
    tenant, workflow and key: the same request is never carried out twice, not even after the key
    has expired.
    """
    if data.workflow not in startable():
        raise InvalidRequest(_no_such_workflow(data.workflow))
    start = starting.StartRequest(
        workflow=data.workflow,
        subject=data.subject,
        input=data.input,
        priority=data.priority,
        actor=actor.on_record,
    )
    if key := request.headers.get(HEADER):
        start = msgspec.structs.replace(start, key=key)
    try:
        execution = await starting.start_execution(store, bus, tenant_id, start)
    except starting.KeyReused:
        raise IdempotencyMismatch from None
    return await _created(store, execution, settings.prefect)


@post(
    "/executions/{executionId:str}/cancel",
    status_code=200,
    summary="Cancel one execution",
    tags=["Executions"],
    responses=documented(
        examples.EXECUTION, ExecutionNotFound, ExecutionEnded, Changed, *KEY_ERRORS
    ),
)
async def cancel_execution(
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    settings: AllSettings,
    tenant_id: TenantId,
    execution_id: ExecutionPath,
    data: JSONBody[Cancellation],
    if_match: IfMatch = None,
) -> Execution:
    """The execution is cancelled and its end announced; others that share its flow run go on."""
    return await changes.cancel(
        store, bus, flow_runs, settings, tenant_id, execution_id, data.reason, if_match
    )


@post(
    "/executions/{executionId:str}/retry",
    status_code=200,
    summary="Retry one execution",
    tags=["Executions"],
    responses=documented(
        examples.EXECUTION, ExecutionNotFound, retrying.NotRetryable, Changed, *KEY_ERRORS
    ),
)
async def retry_execution(
    store: Store,
    bus: Bus,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    execution_id: ExecutionPath,
    if_match: IfMatch = None,
) -> Execution:
    """The execution, which had failed or was cancelled, is pending again under its id; so is a
    journey of claim recovery that waits and has a `failedStep`.

    Steps that succeeded are kept, the others are requested again; `earlierEnds` lists its previous
    outcomes. Of several requests at the same time one is carried out, the others are answered with
    409.
    """
    return await changes.retry(
        store, bus, settings, tenant_id, actor.on_record, execution_id, if_match
    )


@post(
    "/executions/{executionId:str}/rerun",
    summary="Rerun one execution",
    tags=["Executions"],
    responses=documented(
        examples.EXECUTION, ExecutionNotFound, starting.NotRerunnable, *KEY_ERRORS, status=201
    ),
)
async def rerun_execution(
    store: Store,
    bus: Bus,
    settings: AllSettings,
    tenant_id: TenantId,
    actor: Caller,
    execution_id: ExecutionPath,
) -> Response[Execution]:
    """A new execution has the subject and input of this one, which has ended; `rerunOf` names it.

    While the new one is open, repeating the request returns it.
    """
    rerun = await changes.rerun(store, bus, tenant_id, actor.on_record, execution_id)
    return await _created(store, rerun, settings.prefect)


async def _created(
    store: RecordStore, execution: ExecutionRecord, prefect: Prefect
) -> Response[Execution]:
    return Response(
        await shown(store, execution, prefect),
        status_code=201,
        headers={"Location": f"/api/v1/executions/{execution.id}"},
    )


def _no_such_workflow(named: str) -> Problem:
    there_is = ", ".join(startable())
    message = (
        f"{named[:80]!r} cannot be started here; there is: {there_is}. Jobs: POST "
        f"/api/v1/jobs/{{job}}/trigger"
    )
    return Problem(field="workflow", message=message, source="body")
