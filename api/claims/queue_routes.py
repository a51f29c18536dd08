"""`/api/v1/workflow/queue`: the figures of the platform's queues, true of what is done here."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, get_args

from litestar import Request, get, post
from litestar.params import QueryParameter

from api.access.tenancy import TenantId
from api.claims import examples
from api.claims.errors import workflow_documented
from api.claims.phase_documents import (
    CleanedJobs,
    JobFigures,
    QueueCleaned,
    QueueMetrics,
    QueueStats,
    QueueStatsAnswer,
)
from api.http.parameters import one_of
from api.http.records import Store
from api.idempotency import KEY_ERRORS
from blocks.claims import queue
from blocks.contracts.records.claims import PhaseRecord

CONNECTED_CLIENTS = "connected_clients"
"""In the application's state: a function that counts the pages which follow a user or a sync; what
serves them sets it.
"""

_GRACE_MAX = 10**12
"""Milliseconds; more than thirty years."""


@get(
    "/workflow/queue/stats",
    summary="Read the queue's figures",
    tags=["Claim recovery"],
    responses=workflow_documented(examples.QUEUE_STATS),
)
async def read_queue_stats(
    request: Request[Any, Any, Any], store: Store, tenant_id: TenantId
) -> QueueStatsAnswer:
    """The tenant's phases (`orchestration`) and journeys (`syncProgress`) in each state.

    `waiting`: requested and not begun. `delayed` journeys wait for a trigger or a person.
    """
    found = await queue.figures(store, tenant_id)
    connected: Callable[[], int] | None = request.app.state.get(CONNECTED_CLIENTS)
    stats = QueueStats(
        orchestration=JobFigures(**found.phases, delayed=0),
        sync_progress=JobFigures(**found.journeys),
        connected_clients=connected() if connected else 0,
        metrics=_metrics(found.recent, found.phases),
    )
    return QueueStatsAnswer(success=True, stats=stats)


@post(
    "/workflow/queue/clean",
    status_code=200,
    summary="Clean the queue's figures",
    tags=["Claim recovery"],
    responses=workflow_documented(examples.QUEUE_CLEANED, *KEY_ERRORS),
)
async def clean_queue(
    store: Store,
    tenant_id: TenantId,
    grace: Annotated[
        int,
        QueryParameter(
            description="Milliseconds for which they have ended at least", ge=0, le=_GRACE_MAX
        ),
    ] = 0,
    status: Annotated[
        queue.Cleanable,
        one_of(get_args(queue.Cleanable), "Only in this state"),
    ] = "failed",
) -> QueueCleaned:
    """Phases that ended so leave the figures, at most 500 in one call; nothing is deleted.

    `active`, `delayed` and `wait` are accepted and clean nothing: that work is still to be done.
    Journeys stay in the figures, because each may go on.
    """
    cleaned = await queue.clean(store, tenant_id, status, timedelta(milliseconds=grace))
    return QueueCleaned(
        success=True,
        message=f"Cleaned {cleaned} old jobs",
        result=CleanedJobs(orchestration=cleaned, sync_progress=0),
    )


def _metrics(recent: Sequence[PhaseRecord], phases: dict[str, int]) -> QueueMetrics:
    durations = [
        phase.duration_ms
        for phase in recent
        if phase.status == "completed" and phase.duration_ms is not None
    ]
    completed, failed = phases["completed"], phases["failed"]
    return QueueMetrics(
        recent_job_count=len(recent),
        average_job_duration=round(sum(durations) / len(durations)) if durations else 0,
        success_rate=_rate(completed, completed + failed),
    )


def _rate(completed: int, ended: int) -> str:
    return f"{100 * completed / ended:.2f}%" if ended else "N/A"
