"""The bodies of `/api/v1/workflow`, as the platform's services know them."""

from typing import Annotated

import msgspec

from api.http.documents import Document
from blocks.contracts.claims.phases import PhaseNumber


class PhaseTriggered(Document, frozen=True, kw_only=True):
    """The trigger is durable; the phase is carried out whatever happens now."""

    success: bool
    phase: PhaseNumber
    message: str


class WorkflowRefused(Document, frozen=True, kw_only=True):
    """Every answer under `/api/v1/workflow` that is not a success."""

    success: bool
    error: str


class WorkflowHealth(Document, frozen=True, kw_only=True):
    """The routes are there."""

    status: str
    service: str
    message: str


class JobFigures(Document, frozen=True, kw_only=True):
    """How many jobs are in each state."""

    waiting: int
    active: int
    completed: int
    failed: int
    delayed: int


class QueueMetrics(Document, frozen=True, kw_only=True):
    """Of the newest phases that have ended; the rate is of all that are counted."""

    recent_job_count: int
    average_job_duration: Annotated[int, msgspec.Meta(ge=0)]
    """In milliseconds, of those that completed."""
    success_rate: str
    """`"98.50%"`, or `"N/A"` while nothing has ended."""


class QueueStats(Document, frozen=True, kw_only=True):
    """`orchestration` counts phases, `syncProgress` journeys."""

    orchestration: JobFigures
    sync_progress: JobFigures
    connected_clients: int
    """Pages that follow a user or a sync, of this process."""
    metrics: QueueMetrics


class QueueStatsAnswer(Document, frozen=True, kw_only=True):
    """The figures of the tenant's queue."""

    success: bool
    stats: QueueStats


class CleanedJobs(Document, frozen=True, kw_only=True):
    """How many jobs left the figures."""

    orchestration: int
    sync_progress: int


class QueueCleaned(Document, frozen=True, kw_only=True):
    """Ended phases have left the figures; their records are kept."""

    success: bool
    message: str
    result: CleanedJobs
