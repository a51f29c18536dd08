"""`/api/v1/jobs`: the scheduled batch jobs, and how to trigger one by hand."""

from typing import Annotated, Any
from uuid import uuid4

from litestar import Request, Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, SkipValidation

from api.access.errors import NotForTenants
from api.access.tenancy import TenantId
from api.documentation.openapi import documented
from api.http.lists import LIMIT, Continuation, Limit, part_of
from api.http.records import Bus, Engine, Store
from api.idempotency import HEADER, KEY_ERRORS
from api.jobs import examples
from api.jobs.documents import JobList, JobTrigger, JobTriggered, job_of, triggered_of
from api.jobs.triggering import trigger_for
from blocks.contracts.jobs import JOBS
from blocks.jobs import triggers
from blocks.jobs.shown import show_in_prefect
from blocks.settings import BatchJobs

Schedules = SkipValidation[NamedDependency[BatchJobs]]

JobPath = Annotated[str, PathParameter(name="job", description="The job's id, e.g. `outcome-sync`")]


@get("/jobs", summary="List the batch jobs", tags=["Jobs"], responses=documented(examples.JOB_LIST))
async def list_jobs(
    store: Store,
    schedules: Schedules,
    tenant_id: TenantId,
    limit: Limit = LIMIT,
    continuation: Continuation = None,
) -> JobList:
    """Every job with its schedule, what its trigger takes, and its last run.

    A tenant sees runs for all tenants and its own; why a run for all failed is for the platform.
    """
    page, continuation = part_of(JOBS, limit=limit, continuation=continuation)
    last = await triggers.last_runs(store, tenant_id)
    return JobList(
        items=[await job_of(job, schedules, last.get(job.id)) for job in page],
        continuation=continuation,
        total=len(JOBS),
    )


@post(
    "/jobs/{job:str}/trigger",
    status_code=202,
    summary="Trigger a batch job",
    tags=["Jobs"],
    responses=documented(examples.JOB_TRIGGERED, NotForTenants, *KEY_ERRORS, status=202),
)
async def trigger_job(
    request: Request[Any, Any, Any],
    store: Store,
    bus: Bus,
    flow_runs: Engine,
    tenant_id: TenantId,
    job: JobPath,
    data: JSONBody[JobTrigger | None] = None,
) -> Response[JobTriggered]:
    """The trigger has been sent to the batch workers.

    A tenant triggers a job for itself alone. Jobs that cannot be limited to a tenant, and triggers
    for others, are for the platform, under the system tenant. An unknown job and metadata that the
    job does not take are answered with 400.
    """
    key = request.headers.get(HEADER) or str(uuid4())
    metadata = data.metadata if data else {}
    execution = await trigger_for(store, bus, tenant_id, job, metadata, key)
    # After the answer, which depends on Prefect in no way.
    shown = BackgroundTask(show_in_prefect, flow_runs, execution)
    return Response(
        triggered_of(execution),
        status_code=202,
        headers={"Location": f"/api/v1/executions/{execution.id}"},
        background=shown,
    )
