"""The time that a digest is about."""

from datetime import datetime, timedelta

from blocks.contracts.operations.catalogue import NOTIFICATION_DIGEST
from blocks.contracts.reading.normalised import Normalised
from blocks.operations import states
from blocks.ports import RecordStore

FIRST = timedelta(days=1)
"""So far the first digest looks back."""

LONGEST = timedelta(days=7)
"""So far one looks back that comes late."""

_SUBJECT = "last digest"


class Window(Normalised, frozen=True, kw_only=True):
    """Not before `since`, and before `until`."""

    since: datetime
    until: datetime

    @property
    def digest(self) -> str:
        """The digest's name."""
        return self.until.isoformat()


async def window_at(store: RecordStore, now: datetime) -> Window:
    """From the end of the last digest to now."""
    last = await states.known(store, NOTIFICATION_DIGEST, _SUBJECT, Window)
    since = last.until if last else now - FIRST
    return Window(since=max(since, now - LONGEST), until=now)


async def mark_sent(store: RecordStore, window: Window) -> None:
    """The next digest begins where this one ends, unless a later one was sent."""
    last = await states.known(store, NOTIFICATION_DIGEST, _SUBJECT, Window)
    if last and last.until >= window.until:
        return
    await states.keep(store, NOTIFICATION_DIGEST, _SUBJECT, window)
