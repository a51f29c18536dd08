"""What happened since the last digest, by address."""

from collections import defaultdict
from datetime import timedelta

import msgspec

from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.events import JsonObject
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records.digests import DigestItem, DigestRecord
from blocks.notifications import is_configured
from blocks.operations.digests import own_records
from blocks.operations.digests.addresses import Addresses
from blocks.operations.digests.notices import notices
from blocks.operations.digests.window import Window, open_window
from blocks.operations.work import NotConfigured
from blocks.ports import NotFound, RecordStore
from blocks.queries import every
from blocks.settings import Settings
from blocks.updates import update

ITEMS_MAX = 50
"""Of a digest for one address; the others are counted."""

KEPT = timedelta(days=7)
"""So long what was collected is kept, for retries."""


async def collect(store: RecordStore, settings: Settings) -> JsonObject:
    """Each address that there is anything for has its record; the figures name the digest.

    Raises `NotConfigured` where nothing sends mail, and `ServiceFailed`.
    """
    if not is_configured(settings.notifications):
        raise NotConfigured("COMMS_HUB_URL or SMTP_URL is not set: nothing sends mail")
    part, window = settings.operations.notification_digest, await open_window(store, utc_now())
    addresses, unreadable = Addresses(part), 0
    by_address: dict[str, list[DigestItem]] = defaultdict(list)
    async for address, item in own_records.items(store, settings.server, window, addresses):
        by_address[address].append(item)
    async for address, notice in notices(store, part, window, addresses):
        if notice is None:
            unreadable += 1
        else:
            by_address[address].append(notice)
    by_address.pop("", None)
    await _forget(store, window)
    for address, items in by_address.items():
        await _keep(store, window, address, items)
    return {
        "notificationsCollected": sum(map(len, by_address.values())),
        "users": len(by_address),
        "unreadable": unreadable,
        "withoutAddress": len(addresses.missing),
        "window": msgspec.to_builtins(window),
    }


async def _keep(store: RecordStore, window: Window, address: str, items: list[DigestItem]) -> None:
    record = DigestRecord(
        id=ids.digest_id(window.digest, address),
        tenant_id=SYSTEM_TENANT,
        created_at=window.until,
        digest=window.digest,
        address=address,
        items=items[:ITEMS_MAX],
        more=max(0, len(items) - ITEMS_MAX),
    )

    async def kept() -> None:
        try:
            before = await store.read(SYSTEM_TENANT, DigestRecord, record.id)
        except NotFound:
            await store.create(SYSTEM_TENANT, record)
        else:
            await store.replace(SYSTEM_TENANT, before.etag, record)

    await update(kept, f"the digest of {window.digest}")


async def _forget(store: RecordStore, window: Window) -> None:
    """What earlier digests collected is gone, once no retry needs it."""
    async for stored in every(store, SYSTEM_TENANT, DigestRecord, skips_unreadable=True):
        if stored.record.created_at > window.until - KEPT:
            break
        await store.delete(SYSTEM_TENANT, DigestRecord, stored.record.id)
