"""The flow `batch-job`: one deployment per job, one run per tick of its schedule."""

import asyncio
import logging
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import prefect.runtime.flow_run
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.jobs import (
    TO,
    WORKFLOW,
    InvalidTrigger,
    Job,
    checked_metadata,
    job_named,
    range_of_days,
)
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.schedules.ticks import stale_reason
from blocks.executions.run_names import tick_name
from blocks.jobs import triggers
from blocks.jobs.triggers import JobRequest
from blocks.json_text import read_json_object
from blocks.ports import RecordStore, Stored
from blocks.processes import fault_points
from blocks.schedules.ticks import over_at
from flows.shared import runtime
from flows.shared.run_end import refused, reported
from flows.shared.tick import Tick, current_tick

log = logging.getLogger(__name__)

BACKOFF_SECONDS = [2.0, 4.0, 8.0, 16.0, 30.0] + [60.0] * 25
"""Between the tries of one task, about half an hour; the flow's own retries begin that again, for a
day.
"""

TURN_SECONDS = 5.0
"""How often a trigger that is held back looks whether its turn has come."""

OTHER_RUN_SECONDS = 30.0
"""How long a run leaves the sending to another run of the same tick, before it sends under the same
id itself.
"""

_RETRYING: dict[str, Any] = {
    "retries": len(BACKOFF_SECONDS),
    "retry_delay_seconds": BACKOFF_SECONDS,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}


def _run_name() -> str:
    parameters, tick = (
        prefect.runtime.flow_run.parameters,
        prefect.runtime.flow_run.scheduled_start_time,
    )
    return tick_name(parameters["job"], tick)


@flow(
    name=WORKFLOW, flow_run_name=_run_name, retries=48, retry_delay_seconds=60, persist_result=False
)
async def batch_job(
    job: str,
    metadata: dict[str, Any] | str = {},  # noqa: B006 - the form's default, which is only read
) -> State[None]:
    """Trigger one job for one tick of its schedule: once, in its turn, and not when the tick is
    stale.

    Args:
        job: The job's id, which each deployment sets.
        metadata: For a run that a person starts: what the batch worker is given besides, e.g.
            {"from": "2026-01-01", "to": "2026-01-07"} or {"tenantId": "…"}. An object, or an
            object as JSON text.
    """
    tick = await current_tick()
    try:
        request = request_of(job_named(job), metadata, tick)
    except InvalidTrigger as problem:
        return await reported(refused(str(problem)).state)
    skipped = await reason_to_skip(request, tick)
    if skipped:
        return Completed(name="Skipped", message=skipped)
    accepted = await accept(request)
    fault_points.reached("job-accepted")
    await wait_for_end_of_days(accepted.record, tick)
    await wait_for_turn(request.job, accepted.record)
    sent = await send(accepted)
    return Completed(message=end_of(sent.record))


def end_of(execution: ExecutionRecord) -> str:
    """What became of the tick that this execution is of, once its run has done all it can."""
    if execution.is_terminal:
        return f"nothing is to be sent: execution {execution.id} is {execution.status}"
    return f"workflow.job.trigger {execution.trigger_ids[0]} is confirmed"


def request_of(job: Job, metadata: JsonObject | str, tick: Tick) -> JobRequest:
    """The request of this tick. Raises `InvalidTrigger` for metadata that the job does not take."""
    stated = _json_object(metadata) if isinstance(metadata, str) else metadata
    given = checked_metadata(job, stated)
    return JobRequest(
        job=job,
        key=tick.at.isoformat(),
        triggered_by="scheduler" if tick.is_scheduled else "prefect",
        metadata=_days_of(job, tick) | given,
        schedule=tick.schedule.cron if tick.schedule else None,
        scheduled_for=tick.at,
        flow_run_id=tick.flow_run_id,
    )


def _days_of(job: Job, tick: Tick) -> JsonObject:
    return range_of_days(tick.days.first, tick.days.last) if job.names_days and tick.days else {}


@task(task_run_name="check", **_RETRYING)
async def reason_to_skip(request: JobRequest, tick: Tick) -> str | None:
    """Why this tick triggers nothing, or None. A tick that has been accepted is never skipped any
    more.
    """
    context = await runtime.get()
    if await triggers.accepted(context.store, request):
        return None
    if request.job.names_days and tick.is_scheduled and tick.schedule and not request.metadata:
        return f"{request.job.id} names whole days, and none has begun since the tick before"
    late_after = timedelta(seconds=context.settings.batch_jobs.late_after_seconds)
    stale = stale_reason(
        request.job,
        tick=tick.at,
        begun_at=tick.begun_at,
        late_after=late_after,
        newer_tick=tick.newer,
    )
    if stale or request.job.overlap == "queue":
        return stale
    at_work = await triggers.take_turn(context.store, request)
    return (
        f"{request.job.id} is still at work: execution {at_work} has not been reported"
        if at_work
        else None
    )


@task(task_run_name="accept", **_RETRYING)
async def accept(request: JobRequest) -> Stored[ExecutionRecord]:
    """The tick has its execution, with the metadata that was accepted first."""
    accepted = await triggers.accept((await runtime.get()).store, request)
    log.info("%s for %s is execution %s", request.job.id, request.key, accepted.record.id)
    if accepted.record.input["metadata"] != request.metadata:
        log.warning("its schedule has changed; the execution keeps the days it was accepted with")
    return accepted


@task(task_run_name="wait for the end of the days", **_RETRYING)
async def wait_for_end_of_days(execution: ExecutionRecord, tick: Tick) -> None:
    """The days that the tick was accepted with are over. It comes too early where clocks leave out
    the hour after midnight.
    """
    last = _last_day(execution, tick)
    if last and tick.schedule:
        remaining = over_at(last, tick.schedule.timezone) - utc_now()
        await asyncio.sleep(max(0.0, remaining.total_seconds()))


def _last_day(execution: ExecutionRecord, tick: Tick) -> date | None:
    """A person may name days to come: these are not waited for."""
    named = execution.input["metadata"].get(TO.name)
    if named and not tick.is_scheduled:
        return tick.days.last if tick.days else None
    return date.fromisoformat(named) if named else None


@task(task_run_name="wait for turn", **_RETRYING)
async def wait_for_turn(job: Job, execution: ExecutionRecord) -> None:
    """No other run of a job that queues is at work: each was reported, or has reached its limit.
    One that was cancelled waits no longer.
    """
    store = (await runtime.get()).store
    if job.overlap == "queue":
        before = None
        while ahead := await triggers.take_turn_in_order(store, job, execution):
            if ahead != before:
                log.info("waits for execution %s of %s, which is at work", ahead, job.id)
            before = ahead
            await asyncio.sleep(TURN_SECONDS)
            if await _has_ended(store, execution):
                return


@task(task_run_name="send", **_RETRYING)
async def send(accepted: Stored[ExecutionRecord]) -> Stored[ExecutionRecord]:
    """The trigger is confirmed by the broker, unless the execution has ended."""
    context = await runtime.get()
    if accepted.record.flow_run_id != str(prefect.runtime.flow_run.id):
        await _leave_to_the_other(context.store, accepted.record)
    sent = await triggers.send(context.store, context.bus, accepted)
    log.info("%s", end_of(sent.record))
    return sent


async def _has_ended(store: RecordStore, execution: ExecutionRecord) -> bool:
    now = await store.read(execution.tenant_id, ExecutionRecord, execution.id)
    return now.record.is_terminal


async def _leave_to_the_other(store: RecordStore, execution: ExecutionRecord) -> None:
    """Another run of the same tick (of a second scheduler) has sent the trigger, or had its time
    to.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(OTHER_RUN_SECONDS):
            while not await triggers.is_sent(store, execution.id):  # noqa: ASYNC110 - state of a record, no event
                await asyncio.sleep(1)


def _json_object(text: str) -> dict[str, object]:
    try:
        return read_json_object(text)
    except ValueError as error:
        raise InvalidTrigger("metadata", f"is {text[:80]!r} ({error})", "a JSON object") from None
