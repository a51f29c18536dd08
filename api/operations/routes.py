"""`/api/workflows`, `/api/trigger`, `/api/runs`: operations and their runs."""

from typing import Annotated, Any, cast

from litestar import Request, get, post
from litestar.params import PathParameter

from api.access.actor import Caller
from api.access.errors import NotForTenants
from api.access.tenancy import TenantId
from api.claims.errors import workflow_documented
from api.executions.errors import ExecutionEnded
from api.http.bodies import CheckedRequest
from api.http.errors import IdempotencyMismatch
from api.http.records import AllSettings, Bus, Engine, Store
from api.idempotency import HEADER, KEY_ERRORS
from api.operations import examples
from api.operations.documents import (
    OperationList,
    OperationSchedule,
    OperationState,
    OperationSummary,
    Run,
    RunAnswer,
    cron_of,
    details_of,
    name_of,
    run_of,
)
from api.operations.errors import RunNotFound, UnknownOperation
from api.operations.input import InputOperation, input_in
from blocks.actions import cancelling, retrying
from blocks.actions.starting import KeyReused
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations import OPERATIONS
from blocks.contracts.states import InvalidTransition
from blocks.operations import runs
from blocks.operations.runs import find_run, known_operation
from blocks.operations.schedules import is_active

RECENT = 10

OperationPath = Annotated[
    str, PathParameter(name="operation", description="Its id, e.g. `log-rotation`")
]
RunPath = Annotated[
    str, PathParameter(name="runId", description="`run_…`, or the id of its execution")
]


@get(
    "/workflows",
    summary="List the operations",
    tags=["Operations"],
    responses=workflow_documented(examples.WORKFLOWS, NotForTenants),
)
async def list_operations(settings: AllSettings, tenant_id: TenantId) -> OperationList:
    """Every operation with what starts it: its schedule and its events, as they are set here."""
    return OperationList(
        workflows=[details_of(operation, settings) for operation in OPERATIONS],
        schedules=[
            OperationSchedule(
                workflow_id=operation.id, schedule=cron, time_zone=settings.operations.timezone
            )
            for operation in OPERATIONS
            if is_active(operation, settings) and (cron := cron_of(operation, settings))
        ],
    )


def _operation_id(_: object, __: object, path: list[Any]) -> str:
    """Both paths start an operation, and each has a name of its own."""
    return "startOperation" if path[1] == "trigger" else "triggerOperation"


@post(
    ["/workflows/{operation:str}/trigger", "/trigger/{operation:str}"],
    status_code=200,
    summary="Start an operation",
    operation_id=lambda _, __, path: (
        "startOperation" if "trigger" in path[:2] else "triggerOperation"
    ),
    tags=["Operations"],
    operation_class=InputOperation,
    responses=workflow_documented(examples.TRIGGERED, NotForTenants, UnknownOperation, *KEY_ERRORS),
)
async def trigger_operation(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    tenant_id: TenantId,
    actor: Caller,
    name: OperationPath,
) -> RunAnswer:
    """The run is durable, and is carried out as soon as a worker is free.

    The body is the input of its steps, by itself or as `inputData`. With an Idempotency-Key the run
    is computed from it: the same request never starts a second one.
    """
    operation = known_operation(name)
    given = input_in(await cast("CheckedRequest", request).json())
    key = f"api {stated}" if (stated := request.headers.get(HEADER)) else None
    try:
        run = await runs.trigger(store, bus, operation, given, key, actor.on_record)
    except KeyReused:
        raise IdempotencyMismatch from None
    return RunAnswer(success=True, result=run_of(run))


@get(
    "/workflows/{operation:str}/status",
    summary="Read an operation's last runs",
    tags=["Operations"],
    responses=workflow_documented(examples.STATE, NotForTenants, UnknownOperation),
)
async def read_operation(
    store: Store, settings: AllSettings, tenant_id: TenantId, name: OperationPath
) -> OperationState:
    """The operation and its last ten runs, oldest first."""
    operation = known_operation(name)
    recent = await runs.newest_runs(store, [operation], limit=RECENT)
    named = name_of(operation, settings)
    return OperationState(
        workflow=OperationSummary(
            id=named.id,
            name=named.name,
            schedule=named.schedule,
            steps_count=len(operation.steps),
        ),
        recent_runs=[run_of(run) for run in reversed(recent)],
        is_scheduled=is_active(operation, settings),
    )


@get(
    "/runs/{runId:str}",
    summary="Read a run",
    tags=["Operations"],
    responses=workflow_documented(examples.RUN, NotForTenants, RunNotFound),
)
async def read_run(store: Store, tenant_id: TenantId, run_id: RunPath) -> Run:
    """The run with the step at work and the results so far."""
    return run_of(await find_run(store, run_id))


@post(
    "/runs/{runId:str}/cancel",
    status_code=200,
    summary="Cancel a run",
    tags=["Operations"],
    responses=workflow_documented(
        examples.RUN, NotForTenants, RunNotFound, ExecutionEnded, *KEY_ERRORS
    ),
)
async def cancel_run(
    store: Store, bus: Bus, flow_runs: Engine, tenant_id: TenantId, run_id: RunPath
) -> Run:
    """The run is cancelled, its step at work given up."""
    run = await find_run(store, run_id)
    try:
        await cancelling.cancel_execution(
            store, bus, flow_runs, SYSTEM_TENANT, run.execution.id, "cancelled over HTTP"
        )
    except InvalidTransition as error:
        raise ExecutionEnded(f"The run is {error.current}") from None
    return run_of(await find_run(store, run.execution.id))


@post(
    "/runs/{runId:str}/retry",
    status_code=200,
    summary="Retry a run",
    tags=["Operations"],
    responses=workflow_documented(
        examples.RUN, NotForTenants, RunNotFound, retrying.NotRetryable, *KEY_ERRORS
    ),
)
async def retry_run(
    store: Store, bus: Bus, tenant_id: TenantId, actor: Caller, run_id: RunPath
) -> Run:
    """The run, which had failed or was cancelled, goes on behind the steps that were done."""
    run = await find_run(store, run_id)
    await retrying.retry_execution(store, bus, SYSTEM_TENANT, run.execution.id, actor.on_record)
    return run_of(await find_run(store, run.execution.id))
