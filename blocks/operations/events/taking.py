"""Taking an event in: the log has it, and what it starts is pending."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta

from blocks.actions.retrying import notify_dispatchers
from blocks.actions.starting import open_execution
from blocks.clock import utc_now
from blocks.contracts import ids, rejections
from blocks.contracts.operations import OPERATIONS, Operation
from blocks.contracts.operations.platform_events import PlatformEvent
from blocks.contracts.records.operations import EventRecord
from blocks.contracts.rejections import Rejected
from blocks.operations import starting
from blocks.ports import AlreadyExists, Between, EventBus, NotFound, RecordStore
from blocks.processes import fault_points
from blocks.queries import every
from blocks.settings import Settings

log = logging.getLogger(__name__)

Triggers = Mapping[str, Sequence[Operation]]
"""By event type, the operations that such an event starts."""


def triggers_of(settings: Settings) -> Triggers:
    """The table of this deployment."""
    table: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        for event_type in settings.operations.events_of(operation):
            table.setdefault(event_type, []).append(operation)
    return table


async def take(store: RecordStore, bus: EventBus, triggers: Triggers, event: PlatformEvent) -> str:
    """`created`, `recorded` (it starts nothing) or `duplicate`: the event is in the log, and each
    of its operations has its execution.

    Raises `Rejected` for one whose id another event had before, and `Unavailable`: take it again.
    """
    entered, is_new = await _entered(store, event)
    fault_points.reached("event-entered")
    opened = False
    for operation in triggers.get(entered.event_type, ()):
        request = starting.of_event(operation, entered)
        execution, starts = await open_execution(store, ids.SYSTEM_TENANT, request)
        if starts:
            await notify_dispatchers(bus, execution)
            log.info("event %s starts execution %s of %s", event.id, execution.id, operation.id)
        opened |= starts
    return "created" if opened else "recorded" if is_new else "duplicate"


async def is_known(store: RecordStore, event: PlatformEvent) -> bool:
    """Whether the log has an event of this id."""
    try:
        await store.read(ids.SYSTEM_TENANT, EventRecord, ids.platform_event_id(event.id))
    except NotFound:
        return False
    return True


async def forget_events(store: RecordStore, kept_for: timedelta) -> int:
    """Events that were taken in longer ago are gone from the log; returns how many, at most 1,000
    in one call.
    """
    old = {"created_at": Between(until=utc_now() - kept_for)}
    forgotten = 0
    async for stored in every(store, ids.SYSTEM_TENANT, EventRecord, old, skips_unreadable=True):
        await store.delete(ids.SYSTEM_TENANT, EventRecord, stored.record.id)
        forgotten += 1
        if forgotten == _AT_ONCE:
            break
    return forgotten


_AT_ONCE = 1000


async def _entered(store: RecordStore, event: PlatformEvent) -> tuple[EventRecord, bool]:
    """The event as it stands in the log, and whether it has just been entered."""
    wanted = EventRecord(
        id=ids.platform_event_id(event.id),
        tenant_id=ids.SYSTEM_TENANT,
        created_at=utc_now(),
        event_id=event.id,
        event_type=event.type,
        payload=event.payload,
        occurred_at=event.timestamp,
        source=event.source,
        digest=event.digest,
    )
    try:
        return (await store.create(ids.SYSTEM_TENANT, wanted)).record, True
    except AlreadyExists:
        known = (await store.read(ids.SYSTEM_TENANT, EventRecord, wanted.id)).record
    if known.digest != wanted.digest:
        raise Rejected(
            rejections.ID_REUSE,
            f"another event came under the id {event.id[:80]!r} before this one",
        )
    return known, False
