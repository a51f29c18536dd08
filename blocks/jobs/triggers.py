"""What every process does to a batch job: accept a trigger, send it, see what is at work. Each is
safe to do twice.

All of a job's executions belong to the system tenant; the job's id is their subject.
"""

import hashlib
from datetime import datetime

import msgspec

from blocks.clock import utc_now
from blocks.contracts import ids, rejections
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, JobTrigger, JsonObject
from blocks.contracts.jobs import (
    JOBS,
    SCHEDULER,
    TRIGGER_STEP,
    WORKFLOW,
    Job,
    TriggeredBy,
    channel_of,
    on_the_wire,
)
from blocks.contracts.records import ExecutionRecord, StepRecord, Trigger
from blocks.contracts.states import OPEN
from blocks.executions import transitions, turns
from blocks.executions.steps import record_step
from blocks.messages import to_message
from blocks.ports import (
    AlreadyExists,
    EventBus,
    NotFound,
    Query,
    RecordStore,
    Stored,
    Unavailable,
    UnreadableRecord,
    Unroutable,
)
from blocks.queries import every
from blocks.updates import update_known

_RUNS_LOOKED_THROUGH = 50


class RequestReused(Exception):
    """This request id has triggered the job before, with other metadata."""


class JobRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request that a job runs once. The same `key` is the same request and is sent once."""

    job: Job
    key: str
    triggered_by: TriggeredBy
    metadata: JsonObject = {}
    schedule: str | None = None
    scheduled_for: datetime | None = None
    flow_run_id: str | None = None


def by_hand(
    job: Job, triggered_by: TriggeredBy, request_id: str, metadata: JsonObject
) -> JobRequest:
    """A request that no schedule made; its key cannot be that of a tick."""
    return JobRequest(
        job=job, key=f"request {request_id}", triggered_by=triggered_by, metadata=metadata
    )


async def trigger(store: RecordStore, bus: EventBus, request: JobRequest) -> ExecutionRecord:
    """The job's trigger is confirmed by the broker and its execution recorded.

    Raises `RequestReused`, and `Unavailable` when the store or the broker does not answer. What was
    recorded before a failure is sent later, by a repetition of this call or by the reconciler.
    """
    await bus.ping()  # an unavailable broker leaves no record behind
    return (await send(store, bus, await accept(store, request))).record


async def accept(store: RecordStore, request: JobRequest) -> Stored[ExecutionRecord]:
    """The execution of this request: new and pending, or as it stands. Raises `RequestReused`.

    A tick keeps the metadata with which it was accepted first: which days it names is read from its
    schedule, and that may have changed since.
    """
    wanted = _execution(request)
    try:
        return await store.create(ids.SYSTEM_TENANT, wanted)
    except AlreadyExists:
        stored = await store.read(ids.SYSTEM_TENANT, ExecutionRecord, wanted.id)
    is_other = stored.record.triggers[0].digest != wanted.triggers[0].digest
    if is_other and not _is_same_tick(stored.record, wanted):
        raise RequestReused(
            f"this request id has triggered {request.job.id} before, with other metadata"
        )
    return stored


def _is_same_tick(known: ExecutionRecord, wanted: ExecutionRecord) -> bool:
    """Both are the schedule's, perhaps of two schedulers, or of the same flow run."""
    triggered_by = {one.input["triggeredBy"] for one in (known, wanted)}
    is_same_run = known.flow_run_id is not None and known.flow_run_id == wanted.flow_run_id
    return is_same_run or triggered_by == {SCHEDULER}


async def accepted(store: RecordStore, request: JobRequest) -> bool:
    """Whether this request has an execution already."""
    return await run_of(store, request) is not None


async def run_of(store: RecordStore, request: JobRequest) -> ExecutionRecord | None:
    """The execution of this request, if it was accepted."""
    try:
        stored = await store.read(ids.SYSTEM_TENANT, ExecutionRecord, _execution(request).id)
    except NotFound:
        return None
    return stored.record


async def send(
    store: RecordStore, bus: EventBus, stored: Stored[ExecutionRecord]
) -> Stored[ExecutionRecord]:
    """The broker has confirmed the trigger; a step records it. What has ended meanwhile is not
    sent, and returned as it is. Raises `Unavailable`: repeat it.
    """
    if stored.record.is_terminal or await is_sent(store, stored.record.id):
        return stored
    running = await _running(store, stored)
    if running.record.is_terminal:
        return running
    event = trigger_event(running.record)
    try:
        await bus.publish(to_message(event), required=True)
    except Unroutable as error:
        raise Unavailable(
            f"no queue takes job triggers ({error}): run `orchestrator bootstrap`"
        ) from None
    await record_step(
        store, running.record, TRIGGER_STEP, result={"eventId": event.id}, event_id=event.id
    )
    return running


async def is_sent(store: RecordStore, execution_id: str) -> bool:
    """Whether the broker has confirmed the trigger. The step is recorded after that alone: one that
    cannot be read shows it as well.
    """
    try:
        return await sent_at(store, execution_id) is not None
    except UnreadableRecord:
        return True


async def sent_at(store: RecordStore, execution_id: str) -> datetime | None:
    """When the broker had confirmed the trigger; None if it has not, or the step is not recorded
    yet. Raises `UnreadableRecord`.
    """
    try:
        step = await store.read(
            ids.SYSTEM_TENANT, StepRecord, ids.step_record_id(execution_id, TRIGGER_STEP)
        )
    except NotFound:
        return None
    return step.record.completed_at


async def take_turn(store: RecordStore, request: JobRequest) -> str | None:
    """None: it is the turn of a request that has no execution yet. Otherwise the id of the run that
    is in the way: any that has not ended.

    Without reports a run never counts as ended: until a first report on the job, none is in the
    way.
    """
    if not await _is_reported(store, request.job):
        return None
    ahead = await _open_runs(store, request.job)
    if ahead:
        return ahead[0].id
    return await turns.take(store, _turn_of(request.job), _execution(request).id)


async def take_turn_in_order(
    store: RecordStore, job: Job, execution: ExecutionRecord
) -> str | None:
    """As `take_turn`, of an execution: one that waits, too, is in the way only of newer ones."""
    if not await _is_reported(store, job):
        return None
    for other in await _open_runs(store, job):
        is_other = other.id != execution.id
        if is_other and (other.status == "running" or _order(other) < _order(execution)):
            return other.id
    return await turns.take(store, _turn_of(job), execution.id)


async def last_runs(
    store: RecordStore, seen_by: str = ids.SYSTEM_TENANT
) -> dict[str, ExecutionRecord]:
    """The newest execution of every job that has one, by job id.

    A tenant sees those for all tenants and its own, among the newest of each job; the platform sees
    all.
    """
    found = {}
    for job in JOBS:
        if runs := await recent_runs(store, job, seen_by, limit=1):
            found[job.id] = runs[0]
    return found


async def recent_runs(
    store: RecordStore, job: Job, seen_by: str, *, limit: int
) -> list[ExecutionRecord]:
    """The newest executions of the job, newest first, as `last_runs` shows them to this tenant."""
    where = {"workflow": WORKFLOW, "subject": job.id}
    read = limit if seen_by == ids.SYSTEM_TENANT else max(limit, _RUNS_LOOKED_THROUGH)
    page = await store.query(
        ids.SYSTEM_TENANT, Query(ExecutionRecord, where, limit=read, skips_unreadable=True)
    )
    visible = (_as_seen_by(seen_by, stored.record) for stored in page.items)
    return [run for run in visible if run][:limit]


def _as_seen_by(tenant_id: str, run: ExecutionRecord) -> ExecutionRecord | None:
    metadata = run.input["metadata"]
    named = {
        *metadata.get("tenantIds", []),
        *([metadata["tenantId"]] if metadata.get("tenantId") else []),
    }
    if tenant_id == ids.SYSTEM_TENANT or named == {tenant_id}:
        return run
    # What went wrong with a run for all may be about one of the others.
    return None if named else msgspec.structs.replace(run, error=None)


def _execution(request: JobRequest) -> ExecutionRecord:
    event_id = ids.job_trigger_event_id(request.job.id, request.key)
    trigger = Trigger(
        event_id=event_id,
        event_type=JobTrigger.event_type,
        received_at=utc_now(),
        digest=hashlib.sha256(
            msgspec.json.encode(request.metadata, order="deterministic")
        ).hexdigest(),
    )
    requested: JsonObject = {"metadata": request.metadata, "triggeredBy": request.triggered_by}
    if request.schedule:
        requested["schedule"] = request.schedule
    if request.scheduled_for:
        requested["scheduledFor"] = request.scheduled_for.isoformat()
    execution = transitions.new_execution(
        ids.SYSTEM_TENANT, WORKFLOW, request.job.id, trigger, requested
    )
    return msgspec.structs.replace(execution, flow_run_id=request.flow_run_id)


async def _running(store: RecordStore, stored: Stored[ExecutionRecord]) -> Stored[ExecutionRecord]:
    """Running since its first sender began: the event's times come from it and stay."""

    async def begun(now: Stored[ExecutionRecord]) -> Stored[ExecutionRecord]:
        if now.record.status != "pending":
            return now
        return await transitions.move(store, now, "running", started_at=utc_now())

    return await update_known(store, stored, begun)


def trigger_event(execution: ExecutionRecord) -> Event[EventData]:
    """Computed from the record alone: sent twice, it has the same id and body."""
    triggered_at = execution.started_at or execution.updated_at
    requested = execution.input
    triggered_by = requested["triggeredBy"]
    of_the_tick: JsonObject = {
        name: requested[name] for name in ("schedule", "scheduledFor") if name in requested
    }
    made_here: JsonObject = {"triggeredAt": triggered_at, "channel": channel_of(triggered_by)}
    return Event(
        id=execution.trigger_ids[0],
        tenant_id=execution.tenant_id,
        timestamp=triggered_at,
        data=JobTrigger(
            job=execution.subject,
            metadata={**requested["metadata"], **of_the_tick, **made_here},
            triggered_by=on_the_wire(triggered_by),
            timestamp=triggered_at,
        ),
    )


async def _is_reported(store: RecordStore, job: Job) -> bool:
    """Whether the end of a run of this job was ever reported. A count reads no record."""
    where = {
        "workflow": WORKFLOW,
        "subject": job.id,
        "status": ("completed", "failed"),
        "error_code": (None, rejections.JOB_FAILED),
    }
    return await store.count(ids.SYSTEM_TENANT, ExecutionRecord, where) > 0


def _turn_of(job: Job) -> str:
    return f"{WORKFLOW} {job.id}"


async def _open_runs(store: RecordStore, job: Job) -> list[ExecutionRecord]:
    where = {"workflow": WORKFLOW, "subject": job.id, "status": OPEN}
    found = every(store, ids.SYSTEM_TENANT, ExecutionRecord, where)
    return [stored.record async for stored in found]


def _order(execution: ExecutionRecord) -> tuple[datetime, str]:
    return execution.created_at, execution.id
