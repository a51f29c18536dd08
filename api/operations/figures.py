"""`/api/health`, `/api/stats`, `/api/history`, `/api/metrics`: how operations are doing."""

from time import monotonic
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter
from msgspec.structs import asdict

from api.access.errors import NotForTenants
from api.access.tenancy import TenantId
from api.claims.errors import workflow_documented
from api.http.records import AllSettings, Store
from api.operations import examples
from api.operations.documents import (
    MemoryUsage,
    OperationFigures,
    OperationsHealth,
    OperationsStats,
    RunHistory,
    name_of,
    run_of,
)
from blocks.clock import utc_now
from blocks.contracts.operations import OPERATIONS
from blocks.observability.metrics.operations import alert_counts
from blocks.operations import runs
from blocks.operations.figures import figures_of_all
from blocks.processes.memory import memory_megabytes

_BEGUN = monotonic()


@get(
    "/health",
    summary="Check that operations answer",
    tags=["Operations"],
    responses=workflow_documented(examples.HEALTH, NotForTenants),
)
async def read_operations_health(settings: AllSettings, tenant_id: TenantId) -> OperationsHealth:
    """This process answers; whether all parts of the system do is answered by `/ready`."""
    return OperationsHealth(
        status="healthy",
        uptime=_uptime(),
        workflows=[name_of(operation, settings) for operation in OPERATIONS],
        timestamp=utc_now(),
    )


@get(
    "/stats",
    summary="Read the operations' figures",
    tags=["Operations"],
    responses=workflow_documented(examples.STATS, NotForTenants),
)
async def read_operations_stats(store: Store, tenant_id: TenantId) -> OperationsStats:
    """Of each operation, from its records."""
    found = await figures_of_all(store)
    return OperationsStats(
        stats={name: OperationFigures(**asdict(figures)) for name, figures in found.items()},
        uptime=_uptime(),
        memory_usage=MemoryUsage(rss=round(memory_megabytes() * 1024 * 1024)),
        timestamp=utc_now(),
    )


@get(
    "/history",
    summary="List the newest runs",
    tags=["Operations"],
    responses=workflow_documented(examples.HISTORY, NotForTenants),
)
async def list_newest_runs(
    store: Store,
    tenant_id: TenantId,
    limit: Annotated[int, QueryParameter(description="How many runs", ge=1, le=1000)] = 50,
) -> RunHistory:
    """The newest runs of all operations, oldest first."""
    newest = await runs.newest_runs(store, limit=limit)
    return RunHistory(history=[run_of(run) for run in reversed(newest)], timestamp=utc_now())


@get(
    "/metrics",
    summary="Read the metrics of operations",
    tags=["Operations"],
    media_type="text/plain; version=0.0.4",
    responses={
        status: answer
        for status, answer in workflow_documented(examples.HISTORY, NotForTenants).items()
        if status != 200
    },
)
async def read_operations_metrics(store: Store, tenant_id: TenantId) -> str:
    """By the names that the platform's dashboards have; `/metrics` has all others.

    Runs are counted in the records, by their newest end: a failed run that is retried counts as
    failed no more, so that these are gauges.
    """
    found = await figures_of_all(store)
    counts = [
        f'workflow_runs_total{{workflow="{name}",status="{status}"}} {count}'
        for name, of_it in found.items()
        for status, count in (("success", of_it.successful_runs), ("failed", of_it.failed_runs))
    ]
    averages = [
        f'workflow_duration_ms_avg{{workflow="{name}"}} {of_it.average_duration_ms}'
        for name, of_it in found.items()
    ]
    lines = [
        "# TYPE workflow_runs_total gauge",
        *counts,
        "# TYPE workflow_duration_ms_avg gauge",
        *averages,
        "# TYPE workflow_orchestrator_uptime_seconds gauge",
        f"workflow_orchestrator_uptime_seconds {_uptime():.3f}",
        "# TYPE workflows_registered_total gauge",
        f"workflows_registered_total {len(OPERATIONS)}",
    ]
    return "\n".join((*lines, alert_counts()))


def _uptime() -> float:
    """Seconds since this process has begun."""
    return round(monotonic() - _BEGUN, 3)
