"""The mails of a digest go out."""

import logging

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.digests import DigestRecord
from blocks.notifications import Message, NotDelivered
from blocks.operations import notifying
from blocks.operations.digests.outcomes import key_of
from blocks.operations.digests.window import close, window_of
from blocks.ports import RecordStore
from blocks.processes.retries import Retries
from blocks.queries import every
from blocks.settings import Notifications

log = logging.getLogger(__name__)

FAILURES_MAX = 5
"""After so many failures, and nothing that was taken, no more is tried."""

_MAILS_MAX = 200
"""So many are named in the figures of the step: they are one record."""


class DigestsFailed(Exception):
    """Some mails of a digest could not be sent now. The next run, or a retry, sends those."""


async def send_all(
    store: RecordStore,
    settings: Notifications,
    input: JsonObject,
    retries: Retries | None = None,
) -> JsonObject:
    """Each address of the digest has had its mail, once, or takes none; the digest is closed.

    Raises `DigestsFailed` when the others are sent, and `NotConfigured`.
    """
    window, sent, refused = window_of(input), 0, 0
    mails, failures, is_taken = list[JsonObject](), list[str](), False
    async for stored in every(store, SYSTEM_TENANT, DigestRecord, {"digest": window.digest}):
        try:
            figures = await _send(store, settings, stored.record, retries)
        except NotDelivered as failure:
            log.warning("a mail of the digest was not sent: %s", failure)
            if not failure.is_passing:
                refused += 1
                mails.append(_mail(stored.record, sent=False))
                continue
            failures.append(str(failure))
            if len(failures) == FAILURES_MAX and not is_taken:
                break
        else:
            sent, is_taken = sent + 1, is_taken or figures["notified"]
            mails.append(_mail(stored.record, sent=True))
    if failures:
        reasons = "; ".join(dict.fromkeys(failures))
        raise DigestsFailed(f"{sent} sent, {len(failures)} not: {reasons}")
    await close(store, window)
    return {"digestsSent": sent, "digestsRefused": refused, "mails": mails[:_MAILS_MAX]}


def _mail(record: DigestRecord, *, sent: bool) -> JsonObject:
    count = len(record.items) + record.more
    return {"recipient": record.address, "count": count, "sent": sent}


async def _send(
    store: RecordStore, settings: Notifications, record: DigestRecord, retries: Retries | None
) -> JsonObject:
    message = Message(
        recipient=record.address, subject=record.subject, body=record.text, html=record.html
    )
    return await notifying.send(store, settings, message, key=key_of(record), retries=retries)
