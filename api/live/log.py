"""The latest events of one tenant in one process."""

from collections import deque
from datetime import datetime

import msgspec

from api.live.events import LiveEvent


class Entry(msgspec.Struct, frozen=True):
    """An event with its number, which counts all tenants' events in the order of receipt here."""

    number: int
    at: datetime
    event: LiveEvent
    json: bytes
    """The event, for the wire; all who follow share it."""

    @property
    def bytes(self) -> int:
        """Its memory, about: the event once for the wire, once for filters."""
        return 2 * len(self.json) + 1024


class TenantLog:
    """The tenant's latest events, in order, each once; complete from number `floor`, at `since`."""

    def __init__(self, floor: int, since: datetime) -> None:
        self.floor = floor
        self.since = since
        self.bytes = 0
        """About so much memory its events take."""
        self._entries: deque[Entry] = deque()
        self._ids: set[str] = set()

    @property
    def latest(self) -> int:
        """The number of the last event."""
        return self._entries[-1].number if self._entries else self.floor

    def holds(self, event_id: str) -> bool:
        return event_id in self._ids

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._ids.add(entry.event.event_id)
        self.bytes += entry.bytes

    def drop_older_half(self) -> None:
        for _ in range((len(self._entries) + 1) // 2):
            dropped = self._entries.popleft()
            self._ids.discard(dropped.event.event_id)
            self.floor, self.since = dropped.number, dropped.at
            self.bytes -= dropped.bytes

    def forget(self, floor: int, since: datetime) -> None:
        """Nothing is held any more; it is complete again from here on."""
        self._entries.clear()
        self._ids.clear()
        self.floor, self.since, self.bytes = floor, since, 0

    def after(self, number: int, limit: int) -> list[Entry]:
        """The first so many after this number."""
        later: deque[Entry] = deque(maxlen=limit)
        for entry in reversed(self._entries):
            if entry.number <= number:
                break
            later.appendleft(entry)
        return list(later)

    def before(self, moment: datetime) -> int:
        """The number of the last event received before this moment, or the floor."""
        for entry in reversed(self._entries):
            if entry.at < moment:
                return entry.number
        return self.floor
