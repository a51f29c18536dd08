"""The latest events of one tenant in one process."""

from collections import deque
from datetime import datetime

import msgspec

from api.live.events import LiveEvent


class Heard(msgspec.Struct, frozen=True):
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
        self._heard: deque[Heard] = deque()
        self._ids: set[str] = set()

    @property
    def latest(self) -> int:
        """The number of the last event."""
        return self._heard[-1].number if self._heard else self.floor

    def holds(self, event_id: str) -> bool:
        return event_id in self._ids

    def add(self, heard: Heard) -> None:
        self._heard.append(heard)
        self._ids.add(heard.event.event_id)
        self.bytes += heard.bytes

    def drop_older_half(self) -> None:
        for _ in range((len(self._heard) + 1) // 2):
            dropped = self._heard.popleft()
            self._ids.discard(dropped.event.event_id)
            self.floor, self.since = dropped.number, dropped.at
            self.bytes -= dropped.bytes

    def forget(self, floor: int, since: datetime) -> None:
        """Nothing is held any more; it is complete again from here on."""
        self._heard.clear()
        self._ids.clear()
        self.floor, self.since, self.bytes = floor, since, 0

    def after(self, number: int, limit: int) -> list[Heard]:
        """The first so many after this number."""
        later: deque[Heard] = deque(maxlen=limit)
        for heard in reversed(self._heard):
            if heard.number <= number:
                break
            later.appendleft(heard)
        return list(later)

    def before(self, moment: datetime) -> int:
        """The number of the last event received before this moment, or the floor."""
        for heard in reversed(self._heard):
            if heard.at < moment:
                return heard.number
        return self.floor
