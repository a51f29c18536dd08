"""The time that a digest is about."""

import logging
from datetime import datetime, timedelta

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.operations.catalogue import NOTIFICATION_DIGEST
from blocks.contracts.reading.normalised import Normalised
from blocks.operations import states
from blocks.operations.digests.outcomes import outcomes
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore

log = logging.getLogger(__name__)

FIRST = timedelta(days=1)
"""So far the first digest looks back."""

LONGEST = timedelta(days=7)
"""So far one looks back that comes late."""

MARGIN = timedelta(minutes=5)
"""What happened so long ago is in the records, whichever process wrote it."""

TRIED_FOR = timedelta(hours=36)
"""So long after its end a digest is sent by later runs to those who could not be sent it; after
that, these hold up no more what has come for others.
"""

_SUBJECT = "window"


class Window(Normalised, frozen=True, kw_only=True):
    """Not before `since`, and before `until`."""

    since: datetime
    until: datetime
    is_open: bool = True
    """Whether a mail of it may still be due."""

    @property
    def digest(self) -> str:
        """The digest's name."""
        return self.until.isoformat()


async def open_window(store: RecordStore, now: datetime) -> Window:
    """The one that an earlier run could not send to everyone, for `TRIED_FOR`, or the one behind
    it.
    """
    last = await states.known(store, NOTIFICATION_DIGEST, _SUBJECT, Window)
    if last and last.is_open and now - last.until < TRIED_FOR:
        return last
    since = max(await _behind(store, last) if last else now - FIRST, now - LONGEST)
    window = Window(since=since, until=max(since, now - MARGIN))
    await states.keep(store, NOTIFICATION_DIGEST, _SUBJECT, window)
    return window


async def _behind(store: RecordStore, last: Window) -> datetime:
    """Where the next one begins. What no one could be sent is in that, too."""
    if not last.is_open:
        return last.until
    sent, unsent = await outcomes(store, last.digest)
    if not sent:
        return last.since
    mails = "1 mail" if unsent == 1 else f"{unsent} mails"
    log.warning("%s of the digest of %s could not be sent, and will not be", mails, last.digest)
    return last.until


async def close(store: RecordStore, window: Window) -> None:
    """The next digest begins where this one ends, unless a later one is at work."""
    last = await states.known(store, NOTIFICATION_DIGEST, _SUBJECT, Window)
    if last is None or last.until <= window.until:
        closed = msgspec.structs.replace(window, is_open=False)
        await states.keep(store, NOTIFICATION_DIGEST, _SUBJECT, closed)


def window_of(input: JsonObject) -> Window:
    """As the collection has left it. Raises `NotConfigured` if that was skipped."""
    if "window" not in input:
        raise NotConfigured("nothing was collected")
    return msgspec.convert(input["window"], Window)
