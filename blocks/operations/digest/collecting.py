"""Which span a digest covers, and what was notified of in it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.operations.catalogue import NOTIFICATION_DIGEST
from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.records.operations import EventRecord
from blocks.notifications import is_configured
from blocks.operations import states
from blocks.operations.work import NotConfigured
from blocks.ports import Between, RecordStore, Where
from blocks.queries import every
from blocks.settings import Settings
from blocks.settings.operations import NotificationDigest

FIRST = timedelta(days=1)
"""What the first digest of all covers."""

MARGIN = timedelta(minutes=5)
"""An event that was accepted so long ago is in the log, whichever process took it in."""

_SUBJECT = "position"


class Span(Normalised, frozen=True, kw_only=True):
    """From `since` on, and before `until`."""

    since: datetime
    until: datetime


class _Position(Normalised, frozen=True, kw_only=True):
    done: datetime
    """What was notified of before this moment has been sent."""
    at_work: datetime | None = None
    """The end of the span that is being sent."""


async def collect(store: RecordStore, settings: Settings) -> JsonObject:
    """The span of this digest is kept: from the end of the last one until five minutes ago, or the
    one that an earlier run could not send to everyone.

    Returns `notificationsCollected`, `since` and `until`. Raises `NotConfigured`.
    """
    part = settings.operations.notification_digest
    if not _types(part):
        raise NotConfigured("NOTIFICATION_DIGEST_COLLECTS names no events")
    if not is_configured(settings.notifications):
        raise NotConfigured("COMMS_HUB_URL or SMTP_URL is not set")
    now = utc_now()
    known = await states.known(store, NOTIFICATION_DIGEST, _SUBJECT, _Position)
    position = known or _Position(done=now - FIRST)
    if position.at_work is None:
        end = max(now - MARGIN, position.done)
        position = msgspec.structs.replace(position, at_work=end)
        await states.keep(store, NOTIFICATION_DIGEST, _SUBJECT, position)
    span = Span(since=position.done, until=position.at_work or position.done)
    count = await store.count(SYSTEM_TENANT, EventRecord, _within(span, part))
    return {"notificationsCollected": count, **msgspec.to_builtins(span)}


def span_of(found: JsonObject) -> Span:
    """As `collect` has left it in the results. Raises `NotConfigured` if it was skipped."""
    if "until" not in found:
        raise NotConfigured("nothing was collected")
    return msgspec.convert({"since": found["since"], "until": found["until"]}, Span)


async def events_in(
    store: RecordStore, span: Span, settings: NotificationDigest
) -> AsyncIterator[EventRecord]:
    """Every notification of the span, the newest first."""
    where = _within(span, settings)
    async for stored in every(store, SYSTEM_TENANT, EventRecord, where, newest_first=True):
        yield stored.record


async def close(store: RecordStore, span: Span) -> None:
    """The next digest begins at the end of this span."""
    position = _Position(done=span.until)
    await states.keep(store, NOTIFICATION_DIGEST, _SUBJECT, position)


def _within(span: Span, settings: NotificationDigest) -> Where:
    between = Between(since=span.since, until=span.until)
    return {"event_type": _types(settings), "created_at": between}


def _types(settings: NotificationDigest) -> tuple[str, ...]:
    return tuple(word.strip() for word in settings.collects.split(",") if word.strip())
