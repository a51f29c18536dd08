"""The events of phases, from the bus to the rooms of this process."""

import asyncio
import logging
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import cast

from api.sockets.replay import events_since
from api.sockets.rooms import Rooms
from blocks.clock import utc_now
from blocks.contracts.envelope import SERVICE, Event, UnknownEventType, decode_event
from blocks.contracts.events import PHASE_EVENTS, PhaseEvent
from blocks.contracts.rejections import Rejected
from blocks.ports import Message, RecordStore, Unavailable
from blocks.processes.ending import ended

logger = logging.getLogger(__name__)

TYPES = {kind.event_type: kind for kind in PHASE_EVENTS.values()}
PATTERNS = tuple(TYPES)

SEEN_MAX = 10_000
_PAUSE_SECONDS = 2.0


class Updates:
    """A `Subscriber`; it never blocks the bus. What was missed in a gap is read from the log."""

    def __init__(self, store: RecordStore, rooms: Rooms, overlap_seconds: float) -> None:
        self._store, self._rooms = store, rooms
        self._overlap = timedelta(seconds=overlap_seconds)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._heard_at = utc_now()
        self._since: datetime | None = None
        self._reading: asyncio.Task[None] | None = None

    def on_event(self, message: Message) -> None:
        self._heard_at = utc_now()
        event = phase_event(message)
        if event is not None:
            self._send(event)

    def on_gap(self) -> None:
        since = self._heard_at - self._overlap
        self._heard_at = utc_now()
        self._since = since if self._since is None else min(self._since, since)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._reread())

    async def close(self) -> None:
        """Nothing is read any more."""
        await ended(*filter(None, [self._reading]))

    async def _reread(self) -> None:
        """Everyone who follows here gets what was missed, however long the store takes."""
        while (since := self._since) is not None:
            self._since = None
            try:
                for tenant_id, user_id in sorted(self._rooms.users()):
                    for event in await events_since(self._store, tenant_id, user_id, since):
                        self._send(event)
            except Unavailable as error:
                logger.warning("What Socket.IO clients missed cannot be read now: %s", error)
                self._since = since if self._since is None else min(self._since, since)
                await asyncio.sleep(_PAUSE_SECONDS)

    def _send(self, event: Event[PhaseEvent]) -> None:
        if event.id in self._seen:
            return  # a publisher without a confirm has published it again
        self._seen[event.id] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        self._rooms.send(event)


def phase_event(message: Message) -> Event[PhaseEvent] | None:
    """None for what is no event of a phase, or not this service's."""
    if message.cut_from is not None:
        return None
    try:
        event = decode_event(message.body, received_at=utc_now(), types=TYPES)
    except (Rejected, UnknownEventType):
        return None
    return cast(Event[PhaseEvent], event) if event.source == SERVICE else None
