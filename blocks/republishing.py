"""Publishing again what a broker has lost: from the records, under the ids of the first time.

Whoever has an event already knows it by its id. What no record holds cannot be published again:
progress (an execution's start, its completed steps) and what other services had sent.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from blocks.approvals.events import unpublished
from blocks.claims import log as phase_log
from blocks.contracts import analysis, ids, jobs, rejections
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData
from blocks.contracts.records import ApprovalRecord, ExecutionRecord
from blocks.contracts.records.claims import PhaseLogEntry
from blocks.contracts.states import TERMINAL
from blocks.contracts.workflows import WORKFLOWS
from blocks.executions import analysis_events, transitions
from blocks.executions.steps import by_step, step_records
from blocks.jobs import triggers
from blocks.messages import to_message
from blocks.ports import Between, EventBus, RecordStore, UnreadableRecord
from blocks.queries import all_tenants, every

log = logging.getLogger(__name__)

BEGUN_BEFORE = timedelta(days=1)
"""So much earlier than what is published again an execution or an approval may have begun, unless
the caller names a moment: records are found by when they began.
"""

_TOGETHER = 500

Events = AsyncIterator[Event[EventData]]


async def republish(
    store: RecordStore, bus: EventBus, since: datetime, begun_since: datetime | None = None
) -> Counter[str]:
    """The broker has confirmed again what was published since then and what is still asked for; how
    many events of each type.

    That is the ends of executions, approvals' events, the ends and beginnings of phases, the
    triggers of jobs that are not reported, and the requests that running analyses wait for. Raises
    `Unavailable`, and `Unroutable` where a trigger would reach no batch worker.
    """
    begun = Between(since=begun_since or since - BEGUN_BEFORE)
    counts = Counter[str]()
    for tenant_id in sorted(await all_tenants(store)):
        for events in (
            _ends(store, tenant_id, begun, since),
            _of_approvals(store, tenant_id, begun, since),
            _of_phases(store, tenant_id, since),
            _requests(store, tenant_id),
        ):
            counts += await _published(bus, events)
    return counts + await _published(bus, _job_triggers(store, since), required=True)


async def _published(bus: EventBus, events: Events, *, required: bool = False) -> Counter[str]:
    counts, waiting = Counter[str](), list[Event[EventData]]()
    async for event in events:
        waiting.append(event)
        counts[event.type] += 1
        if len(waiting) == _TOGETHER:
            await bus.publish(*map(to_message, waiting), required=required)
            waiting.clear()
    if waiting:
        await bus.publish(*map(to_message, waiting), required=required)
    return counts


async def _ends(store: RecordStore, tenant_id: str, begun: Between, since: datetime) -> Events:
    """Those that are not announced yet are the reconciler's."""
    ended = {"status": TERMINAL, "created_at": begun}
    async for stored in every(store, tenant_id, ExecutionRecord, ended, skips_unreadable=True):
        record = stored.record
        if record.announced_at and record.announced_at >= since and _has_event(record):
            yield transitions.terminal_event(record)


def _has_event(execution: ExecutionRecord) -> bool:
    """A job whose end was reported has none: its batch worker published that."""
    is_reported = execution.workflow == jobs.WORKFLOW and (
        execution.error_code != rejections.JOB_UNREPORTED
    )
    return execution.workflow in WORKFLOWS and not is_reported


async def _of_approvals(
    store: RecordStore, tenant_id: str, begun: Between, since: datetime
) -> Events:
    async for stored in every(
        store, tenant_id, ApprovalRecord, {"created_at": begun}, skips_unreadable=True
    ):
        approval = stored.record
        before = sum(entry.at < since for entry in approval.history)
        if before < approval.published_count:
            for event in unpublished(replace(approval, published_count=before)):
                yield event


async def _of_phases(store: RecordStore, tenant_id: str, since: datetime) -> Events:
    async for stored in every(
        store, tenant_id, PhaseLogEntry, {"created_at": Between(since=since)}, skips_unreadable=True
    ):
        if stored.record.mark in phase_log.PUBLISHED_MARKS:
            yield phase_log.event_of(stored.record)


async def _requests(store: RecordStore, tenant_id: str) -> Events:
    """Of every running analysis, the steps that have no answer."""
    running = {"workflow": analysis.WORKFLOW, "status": "running"}
    async for stored in every(store, tenant_id, ExecutionRecord, running, skips_unreadable=True):
        record = stored.record
        known = await step_records(store, tenant_id, [record.id], skips_unreadable=True)
        answered = by_step(record, known)
        for step in analysis.ANALYSIS_STEPS:
            if step.name not in answered:
                yield analysis_events.requested(step, record)


async def _job_triggers(store: RecordStore, since: datetime) -> Events:
    running = {"workflow": jobs.WORKFLOW, "status": "running"}
    async for stored in every(
        store, ids.SYSTEM_TENANT, ExecutionRecord, running, skips_unreadable=True
    ):
        try:
            sent_at = await triggers.sent_at(store, stored.record.id)
        except UnreadableRecord as error:
            log.error("the trigger of execution %s is left out: %s", stored.record.id, error)
            continue
        if sent_at and sent_at >= since:
            yield triggers.trigger_event(stored.record)
