"""What a client has missed, from the log of phases; Socket.IO itself keeps nothing."""

from datetime import datetime, timedelta

from api.sockets.payloads import Authenticate, Subscribe
from blocks.claims.log import PUBLISHED_MARKS, event_of
from blocks.clock import utc_now
from blocks.contracts.claims.frames import outcome_of, sync_progress, user_progress
from blocks.contracts.claims.notifications import written
from blocks.contracts.claims.phases import TOTAL_STEPS
from blocks.contracts.envelope import Event
from blocks.contracts.events import JsonObject, PhaseEvent
from blocks.contracts.identities import spelled
from blocks.contracts.reading.uuids import canonical_uuid
from blocks.contracts.records.claims import PhaseLogEntry
from blocks.ports import Between, Contains, NotFound, Query, RecordStore

ENTRIES_MAX = 200
"""Of the newest; who missed more reads the journey over REST."""

DEFAULT_WINDOW = timedelta(minutes=5)
"""For a client that does not state where it stands."""

DISORDER = timedelta(seconds=5)
"""Entries that several processes write at once can be dated in another order than they were
published, and by clocks that differ a little.
"""

Events = list[Event[PhaseEvent]]


async def missed(
    store: RecordStore, tenant_id: str, user_id: str, asked: Authenticate | Subscribe
) -> Events:
    """The user's events since the client's position, oldest first."""
    since = await _since(store, tenant_id, user_id, asked)
    found = await events_since(store, tenant_id, user_id, since)
    return [event for event in found if event.id != asked.last_event_id]


async def events_since(store: RecordStore, tenant_id: str, user_id: str, since: datetime) -> Events:
    """The user's events since that moment, oldest first, but for those that cannot be read."""
    where = {
        "user_id": _spellings(user_id),
        "mark": PUBLISHED_MARKS,
        "created_at": Between(since=since),
    }
    wanted = Query(PhaseLogEntry, where, limit=ENTRIES_MAX, skips_unreadable=True)
    page = await store.query(tenant_id, wanted)
    return [event_of(stored.record) for stored in reversed(page.items)]


async def present_progress(
    store: RecordStore, tenant_id: str, user_id: str, sync_id: str
) -> JsonObject:
    """How far the sync is: its furthest completed phase, in both shapes of progress at once; at 0
    percent if none is.
    """
    newest = [
        event_of(stored.record)
        for names in ({"sync_id": sync_id}, {"other_sync_ids": Contains(sync_id)})
        for stored in (
            await store.query(
                tenant_id,
                Query(
                    PhaseLogEntry,
                    {"user_id": _spellings(user_id), "mark": PUBLISHED_MARKS, **names},
                    limit=ENTRIES_MAX,
                ),
            )
        ).items
    ]
    completed = [event for event in newest if outcome_of(event.data) == "completed"]
    if completed:
        furthest = max(completed, key=lambda event: (event.data.phase, event.timestamp))
        shown = furthest.data
        progress = user_progress(shown) | sync_progress(shown) | {"eventId": furthest.id}
        if any(event.data.completes_sync for event in completed):
            return progress | {"syncId": sync_id}
        return progress | {"syncId": sync_id, "status": _status(newest)}
    return _nothing_yet(sync_id, _status(newest))


def _status(events: Events) -> str:
    """Of the newest event; `idle` if there is none."""
    if not events:
        return "idle"
    newest = max(events, key=lambda event: event.timestamp)
    return "failed" if outcome_of(newest.data) == "failed" else "running"


def _nothing_yet(sync_id: str, status: str) -> JsonObject:
    return {
        "syncId": sync_id,
        "step": 0,
        "totalSteps": TOTAL_STEPS,
        "currentStep": "",
        "status": status,
        "progress": 0,
        "message": "",
        "metadata": {},
        "stage": "",
        "percent": 0,
        "totalCases": TOTAL_STEPS,
        "processedCases": 0,
        "audit": [],
        "updatedAt": written(utc_now()),
    }


async def _since(
    store: RecordStore, tenant_id: str, user_id: str, asked: Authenticate | Subscribe
) -> datetime:
    last_id = canonical_uuid(asked.last_event_id or "")
    if last_id is not None:
        try:
            last = (await store.read(tenant_id, PhaseLogEntry, last_id)).record
        except NotFound:
            pass
        else:
            if spelled(last.user_id) == spelled(user_id):
                return last.created_at - DISORDER
    return asked.since_moment or utc_now() - DEFAULT_WINDOW


def _spellings(user_id: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((user_id, user_id.strip(), spelled(user_id))))
