"""Digests by user: put together from the log, and sent."""

import asyncio
from collections import Counter
from collections.abc import Mapping

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.operations.catalogue import NOTIFICATION_DIGEST
from blocks.notifications import NotDelivered, Sent, Withheld, notify
from blocks.operations.digest.collecting import Span, close, events_in, span_of
from blocks.operations.digest.notices import Notice, notice_in
from blocks.operations.digest.writing import written
from blocks.operations.work import NotConfigured
from blocks.ports import RecordStore
from blocks.settings import Settings
from blocks.settings.operations import NotificationDigest

NOTICES_MAX = 100
"""In one digest: of more, the newest."""

AT_ONCE = 5


class DigestsFailed(Exception):
    """Some users could not be sent theirs now; the next run sends it."""


class _Digests(msgspec.Struct):
    notices: dict[str, list[Notice]] = {}
    """By user, the newest first."""
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    """By user, with those that are left out."""
    unreadable: int = 0


async def compile_digests(store: RecordStore, settings: Settings, found: JsonObject) -> JsonObject:
    """It is known who gets a digest; `found`: the results of the collection.

    Returns `digestCompiled`, `users` and `unreadable` (events without an address, or that state
    nothing). Raises `NotConfigured`.
    """
    part = settings.operations.notification_digest
    digests = await _compiled(store, span_of(found), part)
    users = len(digests.counts)
    return {"digestCompiled": users > 0, "users": users, "unreadable": digests.unreadable}


async def send_digests(store: RecordStore, settings: Settings, found: JsonObject) -> JsonObject:
    """Every user of the span has had the digest, or cannot be sent any; the span is closed.

    Returns `digestsSent`, `digestsSentBefore` and `digestsRefused`. Raises `NotConfigured`, and
    `DigestsFailed` when the others are sent.
    """
    span, part = span_of(found), settings.operations.notification_digest
    digests = await _compiled(store, span, part)
    outcomes = await _sent(store, settings, span, digests)
    failed = [one for one in outcomes.values() if isinstance(one, NotDelivered) and one.is_passing]
    if failed:
        raise DigestsFailed(f"{len(failed)} of {len(outcomes)} digests: {failed[0]}")
    await close(store, span)
    return {
        "digestsSent": sum(isinstance(one, Sent) for one in outcomes.values()),
        "digestsSentBefore": sum(isinstance(one, Withheld) for one in outcomes.values()),
        "digestsRefused": sum(isinstance(one, NotDelivered) for one in outcomes.values()),
    }


async def _compiled(store: RecordStore, span: Span, settings: NotificationDigest) -> _Digests:
    digests = _Digests()
    async for event in events_in(store, span, settings):
        notice = notice_in(event)
        if notice is None:
            digests.unreadable += 1
            continue
        user = notice.address.lower()
        digests.counts[user] += 1
        kept = digests.notices.setdefault(user, [])
        if len(kept) < NOTICES_MAX:
            kept.append(notice)
    return digests


Outcome = Sent | Withheld | NotDelivered


async def _sent(
    store: RecordStore, settings: Settings, span: Span, digests: _Digests
) -> Mapping[str, Outcome]:
    """By user. Raises `NotConfigured`."""
    places, outcomes = asyncio.Semaphore(AT_ONCE), dict[str, Outcome]()
    subject = settings.operations.notification_digest.subject

    async def send(user: str, notices: list[Notice]) -> None:
        more = digests.counts[user] - len(notices)
        message = written(subject, notices[::-1], more, span)
        key = f"{NOTIFICATION_DIGEST.id} {span.until.isoformat()} {user}"
        async with places:
            try:
                outcomes[user] = await notify(store, settings.notifications, message, key=key)
            except NotDelivered as failure:
                outcomes[user] = failure

    async with asyncio.TaskGroup() as group:
        for user, notices in digests.notices.items():
            group.create_task(send(user, notices))
    for outcome in outcomes.values():
        if isinstance(outcome, Withheld) and not outcome.is_configured:
            raise NotConfigured(outcome.reason)
    return outcomes
