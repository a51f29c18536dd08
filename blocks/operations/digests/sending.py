"""The mails of a digest go out."""

import logging

import msgspec

from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.digests import DigestRecord
from blocks.notifications import Message, NotDelivered
from blocks.notifications.transports import Retries
from blocks.operations import notifying
from blocks.operations.digests.window import Window, mark_sent
from blocks.ports import RecordStore
from blocks.queries import every
from blocks.settings import Notifications

log = logging.getLogger(__name__)

FAILURES_MAX = 5
"""After so many failures in a row, no more is tried."""


class DigestsFailed(Exception):
    """Some mails of a digest could not be sent. A retry sends those alone."""


async def send_all(
    store: RecordStore,
    settings: Notifications,
    input: JsonObject,
    retries: Retries | None = None,
) -> JsonObject:
    """Each address of the digest has its mail, once; the next digest begins behind this one.

    Raises `DigestsFailed`, and `NotConfigured` where nothing sends mail.
    """
    window, sent, reasons, in_a_row = msgspec.convert(input["window"], Window), 0, [], 0
    async for stored in every(store, SYSTEM_TENANT, DigestRecord, {"digest": window.digest}):
        try:
            await _send(store, settings, stored.record, retries)
        except NotDelivered as failure:
            log.warning("a digest was not sent: %s", failure)
            reasons.append(str(failure))
            in_a_row += 1
            if in_a_row == FAILURES_MAX:
                break
            continue
        if not sent:
            await mark_sent(store, window)
        sent, in_a_row = sent + 1, 0
    if reasons:
        unique = "; ".join(dict.fromkeys(reasons))
        raise DigestsFailed(f"{sent} sent, {len(reasons)} not: {unique}")
    await mark_sent(store, window)
    return {"digestsSent": sent}


async def _send(
    store: RecordStore, settings: Notifications, record: DigestRecord, retries: Retries | None
) -> None:
    message = Message(
        recipient=record.address, subject=record.subject, body=record.text, html=record.html
    )
    key = f"notification-digest {record.digest} {record.address}"
    await notifying.send(store, settings, message, key=key, retries=retries)
