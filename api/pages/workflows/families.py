"""Everything that runs here, by family, as a page shows it: schedule, next and last runs."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from api.jobs.triggering import is_open_to
from api.pages.rendering import moment
from blocks.clock import utc_now
from blocks.contracts import analysis
from blocks.contracts.claims import phases
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.jobs import JOB_BY_ID, JOBS, Field, Job
from blocks.contracts.operations import OPERATIONS, Operation, operation_named
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import ExecutionStatus
from blocks.contracts.workflows import WORKFLOWS, Workflow
from blocks.jobs import triggers
from blocks.operations.schedules import is_active, why_inactive
from blocks.ports import NotFound, Query, RecordStore
from blocks.schedules.cron import next_time
from blocks.settings import Settings

STRIP = 30
"""The last outcomes, as many as are shown."""

Kind = Literal["workflow", "job", "operation"]

_DESCRIPTIONS: Mapping[str, str] = {
    analysis.WORKFLOW: "Analyses an opportunity whenever it changes, and asks people where the "
    "tenant's rule says so.",
    phases.WORKFLOW: "Follows the sync of a seller's data to its claims, their evidence, and what "
    "is paid.",
}

_TONES: Mapping[ExecutionStatus, str] = {
    "completed": "good",
    "failed": "bad",
    "unreported": "bad",
    "pending": "busy",
    "running": "busy",
    "awaiting_approval": "waiting",
    "waiting": "waiting",
    "cancelled": "waiting",
}


class WorkflowUnknown(NotFound):
    """Nothing of this name runs here, or not for this tenant."""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that runs here again and again."""

    id: str
    kind: Kind
    title: str
    description: str
    starts: str
    """What starts it, in words, where it has no schedule."""
    cron: str | None = None
    time_zone: str = ""
    next_run: datetime | None = None
    why_inactive: str | None = None
    """Why its schedule does not start it."""
    can_be_started: bool = False
    """By hand, by this tenant."""
    takes: tuple[Field, ...] = ()
    """What its trigger takes from this tenant."""
    takes_range: bool = False
    steps: tuple[str, ...] = ()
    runs: list[ExecutionRecord]
    """The last ones, newest first."""

    @property
    def last(self) -> ExecutionRecord | None:
        return self.runs[0] if self.runs else None

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """Oldest first, always as many: a strip keeps its width while it fills."""
        shown = [
            (_TONES.get(run.status, "neutral"), f"{_words(run.status)}, {moment(began_at(run))}")
            for run in reversed(self.runs)
        ]
        return [("neutral", "no run")] * (STRIP - len(shown)) + shown

    @property
    def summary(self) -> str:
        """The strip in words."""
        good = sum(run.status == "completed" for run in self.runs)
        bad = sum(run.status in ("failed", "unreported") for run in self.runs)
        if not self.runs:
            return "no runs yet"
        return f"last {len(self.runs)} runs: {good} completed, {bad} failed or unreported"


class Group(msgspec.Struct, frozen=True):
    """The families of a kind."""

    title: str
    about: str
    families: list[Family]


def began_at(run: ExecutionRecord) -> datetime:
    return run.started_at or run.created_at


async def groups_for(store: RecordStore, settings: Settings, tenant_id: str) -> list[Group]:
    """What the tenant has or shares; operations are the platform's alone."""
    workflows, jobs, operations = await asyncio.gather(
        asyncio.gather(*(_workflow(store, tenant_id, name) for name in _DESCRIPTIONS)),
        asyncio.gather(*(_job(store, settings, tenant_id, job) for job in JOBS)),
        asyncio.gather(
            *(
                _operation(store, settings, one)
                for one in (OPERATIONS if tenant_id == SYSTEM_TENANT else ())
            )
        ),
    )
    groups = [
        Group("Started by events", "One execution for each thing that happens.", workflows),
        Group("Batch jobs", "Triggered on a schedule, and carried out by batch workers.", jobs),
        Group("Operations", "Upkeep of the platform.", operations),
    ]
    return [group for group in groups if group.families]


async def family_of(store: RecordStore, settings: Settings, tenant_id: str, id: str) -> Family:
    """Raises `WorkflowUnknown`."""
    if id in JOB_BY_ID:
        return await _job(store, settings, tenant_id, JOB_BY_ID[id])
    if id in _DESCRIPTIONS:
        return await _workflow(store, tenant_id, id)
    operation = operation_named(id)
    if operation is None or tenant_id != SYSTEM_TENANT:
        raise WorkflowUnknown
    return await _operation(store, settings, operation)


async def _workflow(store: RecordStore, tenant_id: str, name: str) -> Family:
    workflow: Workflow = WORKFLOWS[name]
    return Family(
        id=name,
        kind="workflow",
        title=workflow.title,
        description=_DESCRIPTIONS[name],
        starts="events",
        can_be_started=workflow.startable,
        steps=workflow.steps,
        runs=await _runs(store, tenant_id, name),
    )


async def _job(store: RecordStore, settings: Settings, tenant_id: str, job: Job) -> Family:
    schedules, is_platform = settings.batch_jobs, tenant_id == SYSTEM_TENANT
    cron, active = schedules.cron_of(job), schedules.is_active(job)
    of_a_tenant = tuple(field for field in job.fields if not field.name.startswith("tenantId"))
    return Family(
        id=job.id,
        kind="job",
        title=_words(job.id),
        description=job.description,
        starts="schedule",
        cron=cron,
        time_zone=schedules.timezone,
        next_run=await next_time(cron, schedules.timezone, utc_now()) if active else None,
        why_inactive=None if active else _why_inactive(settings, job),
        can_be_started=is_open_to(tenant_id, job),
        takes=job.fields if is_platform else of_a_tenant,
        takes_range=job.takes_range and is_platform,
        runs=await triggers.recent_runs(store, job, tenant_id, limit=STRIP),
    )


def _why_inactive(settings: Settings, job: Job) -> str:
    if not settings.batch_jobs.enabled:
        return "BATCH_JOBS_ENABLED is false"
    return f"{job.setting.removesuffix('_cron').upper()}_ENABLED is false"


async def _operation(store: RecordStore, settings: Settings, operation: Operation) -> Family:
    schedule = settings.operations.schedule_of(operation)
    cron, zone = schedule.cron if operation.cron else None, settings.operations.timezone
    active = is_active(operation, settings)
    return Family(
        id=operation.id,
        kind="operation",
        title=operation.title,
        description=operation.description,
        starts=", ".join(operation.events) or "people",
        cron=cron,
        time_zone=zone,
        next_run=await next_time(cron, zone, utc_now()) if active and cron else None,
        why_inactive=why_inactive(operation, settings) if cron else None,
        can_be_started=True,
        steps=tuple(step.title for step in operation.steps),
        runs=await _runs(store, SYSTEM_TENANT, operation.id),
    )


async def _runs(store: RecordStore, tenant_id: str, name: str) -> list[ExecutionRecord]:
    page = await store.query(
        tenant_id, Query(ExecutionRecord, {"workflow": name}, limit=STRIP, skips_unreadable=True)
    )
    return [stored.record for stored in page.items]


def _words(name: str) -> str:
    return name.replace("-", " ").replace("_", " ").capitalize()
