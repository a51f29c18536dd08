"""`notify`: the one way in which every workflow notifies people."""

import asyncio
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Literal

import msgspec

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.reading.limits import EMAIL_PATTERN
from blocks.contracts.records import NotificationRecord
from blocks.notifications.delivering import deliver, transports_of
from blocks.notifications.message import Channel, Message
from blocks.notifications.transports import RETRIES, NotDelivered, Transport
from blocks.observability.metrics import notifications as metrics
from blocks.ports import NotFound, RecordStore, Stale, Stored, Unavailable
from blocks.processes.retries import Retries
from blocks.queries import every
from blocks.settings import Notifications
from blocks.updates import update, update_known

Kind = Literal["news", "problem", "all-clear"]
"""`news`: what happened, sent once. `problem`: what stands, repeated after
`notifications.repeat_hours`, and at once when its state is another one. `all-clear`: its end, sent
once, and only if the problem was notified of.
"""

DELIVERY_SECONDS = 75.0
"""So long a message may take, with all attempts of all transports."""

HOLD = timedelta(seconds=90)
"""A process that has not recorded its outcome by then is taken for dead."""

KEPT = timedelta(days=90)
"""So long it is known that something was sent under a key."""

_LOOK_SECONDS = 0.5


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was taken."""

    message_id: str
    channel: Channel
    recipient: str
    transport: str

    @property
    def figures(self) -> JsonObject:
        """As a step's result, of the form that the platform documents."""
        return {
            "notified": True,
            "messageId": self.message_id,
            "channel": self.channel,
            "recipient": self.recipient,
            "transport": self.transport,
        }


class Withheld(msgspec.Struct, frozen=True):
    """Nothing was sent, and nothing went wrong."""

    reason: str
    is_configured: bool = True

    @property
    def figures(self) -> JsonObject:
        return {"notified": False, "skipped": True, "reason": self.reason}


async def notify(
    store: RecordStore,
    settings: Notifications,
    message: Message,
    *,
    key: str,
    kind: Kind = "news",
    state: str = "",
    retries: Retries | None = None,
    trust: ssl.SSLContext | None = None,
) -> Sent | Withheld:
    """The message was taken by a transport now, or need not be sent, and both are recorded.

    `key` names what is notified of, and `state` how it stands. Takes up to three minutes. Raises
    `NotDelivered` once all attempts are used up: then the next call under this key tries again.
    """
    message = msgspec.structs.replace(message, recipient=message.recipient or settings.recipient)
    transports = [one for one in transports_of(settings, trust=trust) if one.takes(message.channel)]
    if reason := _reason_not_to_begin(message, transports):
        outcome: Sent | Withheld = Withheld(reason, is_configured=False)
    else:
        try:
            outcome = await _once(
                store, settings, message, transports, _About(key, kind, state), retries
            )
        except NotDelivered:
            metrics.NOTIFICATIONS.labels(kind, "failed").inc()
            raise
    metrics.NOTIFICATIONS.labels(kind, "sent" if isinstance(outcome, Sent) else "skipped").inc()
    return outcome


async def forget_old_notifications(store: RecordStore) -> int:
    """Nothing is kept any more of what was sent longer ago than `KEPT`, unless it stands; returns
    of how many keys.
    """
    forgotten, now = 0, utc_now()
    oldest = now - KEPT
    async for stored in every(store, SYSTEM_TENANT, NotificationRecord, skips_unreadable=True):
        record = stored.record
        if record.created_at > oldest:
            break
        is_held = record.held_until and now < record.held_until
        if not (record.stands or is_held) and (record.sent_at or record.created_at) < oldest:
            with suppress(Stale):  # it is just being sent
                await store.delete(SYSTEM_TENANT, NotificationRecord, record.id, etag=stored.etag)
                forgotten += 1
    return forgotten


class _About(msgspec.Struct, frozen=True):
    key: str
    kind: Kind
    state: str


def _reason_not_to_begin(message: Message, transports: Sequence[Transport]) -> str | None:
    if not transports:
        needed = "COMMS_HUB_URL or SMTP_URL" if message.channel == "email" else "COMMS_HUB_URL"
        return f"{needed} is not set: nothing sends by {message.channel}"
    if not message.recipient:
        return "there is no recipient: ALERT_EMAIL is not set"
    if message.channel == "email" and not re.fullmatch(EMAIL_PATTERN, message.recipient):
        raise NotDelivered("the recipient is no e-mail address")
    return None


async def _once(
    store: RecordStore,
    settings: Notifications,
    message: Message,
    transports: Sequence[Transport],
    about: _About,
    retries: Retries | None,
) -> Sent | Withheld:
    claim = await _claim(store, about, timedelta(hours=settings.repeat_hours))
    if isinstance(claim, Withheld):
        return claim
    id = ids.notification_id(about.key, claim.record.sent)
    try:
        async with asyncio.timeout(DELIVERY_SECONDS):
            transport, theirs = await deliver(transports, message, id, retries or RETRIES)
    except BaseException as error:
        await _settle(store, claim, held_until=None)
        if isinstance(error, TimeoutError):
            reason = f"it was not taken within {DELIVERY_SECONDS:g} s"
            raise NotDelivered(reason, is_passing=True) from None
        raise
    await _settle(
        store,
        claim,
        held_until=None,
        sent=claim.record.sent + 1,
        sent_at=utc_now(),
        stands=about.kind == "problem",
        state=about.state,
    )
    return Sent(
        message_id=theirs,
        channel=message.channel,
        recipient=message.recipient,
        transport=transport.name,
    )


async def _claim(
    store: RecordStore, about: _About, repeat_after: timedelta
) -> Stored[NotificationRecord] | Withheld:
    """The record of this key, held by this call alone, or why nothing is sent.

    While another process sends under the key, this waits for it, no longer than its hold lasts.
    """

    async def claimed() -> Stored[NotificationRecord] | Withheld | None:
        now, known = utc_now(), await _read(store, about.key)
        if reason := _reason_to_withhold(known.record if known else None, about, repeat_after, now):
            return Withheld(reason)
        if known is None:
            return await store.create(SYSTEM_TENANT, _new(about.key, now))
        if known.record.held_until and now < known.record.held_until:
            return None
        held = msgspec.structs.replace(known.record, held_until=now + HOLD)
        return await store.replace(SYSTEM_TENANT, known.etag, held)

    began = monotonic()
    while True:
        claim = await update(claimed, f"what was notified under {about.key}")
        waited = monotonic() - began
        if claim:
            metrics.WAIT_SECONDS.observe(waited)
            return claim
        if waited > HOLD.total_seconds() + 2 * _LOOK_SECONDS:
            raise Unavailable(f"other processes are sending under {about.key} all the time")
        await asyncio.sleep(_LOOK_SECONDS)


def _reason_to_withhold(
    known: NotificationRecord | None, about: _About, repeat_after: timedelta, now: datetime
) -> str | None:
    sent_at = known.sent_at if known else None
    match about.kind:
        case "news" if sent_at:
            return f"it was sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC"
        case "problem" if known and sent_at and known.stands and known.state == about.state:
            if now < sent_at + repeat_after:
                return (
                    f"it was sent at {sent_at:%Y-%m-%d %H:%M:%S} UTC, and is repeated after "
                    f"{repeat_after.total_seconds() / 3600:g} h"
                )
        case "all-clear" if not (known and known.stands):
            return "no problem was notified of"
    return None


def _new(key: str, now: datetime) -> NotificationRecord:
    return NotificationRecord(
        id=ids.notification_id(key),
        tenant_id=SYSTEM_TENANT,
        created_at=now,
        key=key,
        held_until=now + HOLD,
    )


async def _read(store: RecordStore, key: str) -> Stored[NotificationRecord] | None:
    try:
        return await store.read(SYSTEM_TENANT, NotificationRecord, ids.notification_id(key))
    except NotFound:
        return None


async def _settle(store: RecordStore, claim: Stored[NotificationRecord], **changes: object) -> None:
    """The record is as given, whatever another process that took this one for dead has written."""

    async def settled(known: Stored[NotificationRecord]) -> None:
        await store.replace(
            SYSTEM_TENANT, known.etag, msgspec.structs.replace(known.record, **changes)
        )

    await update_known(store, claim, settled)
