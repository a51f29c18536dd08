"""Triggering events become executions: one per event, or none if a pending execution of the subject
absorbs it.

One that is pending because it is being retried absorbs nothing: the steps it has done knew nothing
of the event.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from weakref import WeakValueDictionary

from blocks.clock import utc_now
from blocks.contracts import rejections
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData
from blocks.contracts.opportunity_facts import merged
from blocks.contracts.reading.uuids import matching_id, spellings
from blocks.contracts.records import ExecutionRecord, Trigger
from blocks.contracts.rejections import Rejected
from blocks.definitions.versions import EnabledTenants
from blocks.executions import transitions as executions
from blocks.observability.log_context import log_context
from blocks.ports import AlreadyExists, Contains, Query, RecordStore, Stored, TooLarge
from blocks.processes import fault_points
from blocks.queries import every
from blocks.tenants.directory import enter_in_directory
from blocks.updates import update
from listeners.dispatch.dispatcher import Dispatcher
from listeners.dispatch.fair_queue import Lane
from listeners.triggers.table import TriggerRule, priority_of

log = logging.getLogger(__name__)

passed_over: Counter[str] = Counter()
"""Events of tenants that have switched the workflow off, per tenant; for the log."""

_RECENT = 20


class Intake:
    """Opens executions and hands them to the dispatcher."""

    def __init__(self, store: RecordStore, dispatcher: Dispatcher) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._enabled_tenants = EnabledTenants(store)
        self._locks: WeakValueDictionary[tuple[str, str, str], asyncio.Lock] = WeakValueDictionary()

    async def open(
        self, events: Sequence[tuple[TriggerRule, Event[EventData]]]
    ) -> list[str | Exception]:
        """What became of each of these events of one tenant: `created`, `absorbed`, `duplicate`,
        `ignored` (no subject) or `disabled` by the tenant; or what its handling has raised:
        `Rejected` for an event whose id another event had before, for the first one wins.

        Executions that nothing stands in the way of are created together. Raises `Unavailable` when
        the store is away: then some may have been opened.
        """
        openings = [await self._opening(rule, event) for rule, event in events]
        executions = [one for one in openings if isinstance(one, ExecutionRecord)]
        if executions:
            fault_points.reached("before-record")
        created: set[str] = set()
        for workflow in {execution.workflow for execution in executions}:
            created |= await self._create_together(
                [execution for execution in executions if execution.workflow == workflow]
            )
        if created:
            fault_points.reached("after-record")
        for execution in executions:
            if execution.id in created:
                self._submit(execution)

        async def outcome(opening: ExecutionRecord | str) -> str | Exception:
            if isinstance(opening, str):
                return opening
            with log_context(execution_id=opening.id, trace_id=opening.trace_id):
                try:
                    became = "created" if opening.id in created else await self._open_alone(opening)
                except Exception as error:
                    return error
                # Here, where the context names the execution.
                log.debug("event %s %s", opening.trigger_ids[0], became)
                return became

        return await asyncio.gather(*map(outcome, openings))

    async def _opening(self, rule: TriggerRule, event: Event[EventData]) -> ExecutionRecord | str:
        """The execution that it opens unless another one absorbs it; or why it opens none."""
        subject = rule.subject(event.data)
        if subject is None:
            return "ignored"
        if not await self._enabled_tenants.include(event.tenant_id, rule.workflow):
            return _passed_over(event, rule.workflow)
        await enter_in_directory(self._store, event.tenant_id)
        trigger = Trigger(
            event_id=event.id,
            event_type=event.type,
            received_at=utc_now(),
            digest=event.digest,
            actor=event.metadata.user_id,
            traceparent=event.traceparent,
        )
        return executions.new_execution(
            event.tenant_id,
            rule.workflow,
            subject,
            trigger,
            rule.input(event.data),
            priority=priority_of(event.data),
        )

    async def _create_together(self, new: Sequence[ExecutionRecord]) -> set[str]:
        """The ids of those that are created now: the only ones of their subject here, with none
        that absorbs them, and under an id that is new. Each of the others needs a look of its own.
        """
        subjects = Counter(execution.subject for execution in new)
        ids = Counter(execution.id for execution in new)
        lone = [one for one in new if subjects[one.subject] == ids[one.id] == 1]
        if len(lone) < 2:
            return set()
        async with AsyncExitStack() as turns:
            for lock in map(self._turn, sorted(lone, key=lambda execution: execution.subject)):
                await turns.enter_async_context(lock)
            known = await self._subjects_in_use(lone)
            unknown = [execution for execution in lone if execution.subject not in known]
            try:
                created = await self._store.create_all(lone[0].tenant_id, unknown)
            except TooLarge:
                return set()
        return {stored.record.id for stored in created if stored}

    async def _subjects_in_use(self, new: Sequence[ExecutionRecord]) -> set[str]:
        """Those of these subjects that have an execution that is pending, or that lists one of
        these triggers.
        """
        of_subjects = {
            "workflow": new[0].workflow,
            "subject": tuple(text for one in new for text in spellings(one.subject_on_wire)),
        }
        triggers = tuple(id for execution in new for id in execution.trigger_ids)
        return {
            matching_id(stored.record.subject)
            for narrowed in ({"status": "pending"}, {"trigger_ids": Contains(triggers)})
            async for stored in every(
                self._store, new[0].tenant_id, ExecutionRecord, of_subjects | narrowed
            )
        }

    async def _open_alone(self, execution: ExecutionRecord) -> str:
        # A write in between: it has just started, or absorbed another event.
        async with self._turn(execution):
            outcome = await update(
                lambda: self._open_now(execution),
                f"the pending execution of {execution.subject}",
            )
        fault_points.reached("after-record")
        if outcome == "created":
            self._submit(execution)
        return outcome

    def _turn(self, execution: ExecutionRecord) -> asyncio.Lock:
        """Two events of one subject in this process take turns; two processes are kept apart by the
        ETag.
        """
        of_subject = (execution.tenant_id, execution.workflow, execution.subject)
        return self._locks.setdefault(of_subject, asyncio.Lock())

    def _submit(self, execution: ExecutionRecord) -> None:
        lane = Lane(execution.tenant_id, execution.workflow)
        self._dispatcher.submit(lane, execution.id, execution.priority, subject=execution.subject)

    async def _open_now(self, execution: ExecutionRecord) -> str:
        [trigger] = execution.triggers
        recent = await self._executions_of_subject(execution)
        if known := _known_trigger(recent, trigger.event_id):
            return _repeated(known, trigger)
        pending = next((stored for stored in recent if _absorbs(stored.record)), None)
        if pending is not None:
            await self._absorb(pending, trigger, execution)
            return "absorbed"
        try:
            await self._store.create(execution.tenant_id, execution)
        except AlreadyExists:
            first = await self._store.read(execution.tenant_id, ExecutionRecord, execution.id)
            return _repeated(first.record.triggers[0], trigger)
        return "created"

    async def _absorb(
        self, pending: Stored[ExecutionRecord], trigger: Trigger, newer: ExecutionRecord
    ) -> None:
        await executions.change(
            self._store,
            pending,
            triggers=[*pending.record.triggers, trigger],
            trigger_ids=[*pending.record.trigger_ids, trigger.event_id],
            input=merged(pending.record.input, newer.input),
        )

    async def _executions_of_subject(
        self, execution: ExecutionRecord
    ) -> list[Stored[ExecutionRecord]]:
        """The newest executions of the subject, and with them any older one that lists this
        trigger.
        """
        of_subject = {
            "workflow": execution.workflow,
            "subject": spellings(execution.subject_on_wire),
        }
        newest = await self._store.query(
            execution.tenant_id, Query(ExecutionRecord, of_subject, limit=_RECENT)
        )
        if newest.continuation is None:
            return newest.items
        listing = {**of_subject, "trigger_ids": Contains(execution.trigger_ids[0])}
        return (
            newest.items
            + (await self._store.query(execution.tenant_id, Query(ExecutionRecord, listing))).items
        )


def _passed_over(event: Event[EventData], workflow: str) -> str:
    passed_over[event.tenant_id] += 1
    log.info(
        "event %s starts nothing: tenant %s has switched %s off; %d passed over since this "
        "listener started",
        event.id,
        event.tenant_id,
        workflow,
        passed_over[event.tenant_id],
    )
    return "disabled"


def _absorbs(execution: ExecutionRecord) -> bool:
    return execution.status == "pending" and not execution.retries


def _known_trigger(executions: list[Stored[ExecutionRecord]], event_id: str) -> Trigger | None:
    triggers = (trigger for stored in executions for trigger in stored.record.triggers)
    return next((trigger for trigger in triggers if trigger.event_id == event_id), None)


def _repeated(known: Trigger, trigger: Trigger) -> str:
    """The first event of an id is the one that counts. Raises `Rejected` for another one under the
    same id.
    """
    if known.digest == trigger.digest:
        return "duplicate"
    raise Rejected(
        rejections.ID_REUSE,
        f"another event came under the id {trigger.event_id[:80]!r} before this one",
    )
