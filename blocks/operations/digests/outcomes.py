"""Which mails of a digest were sent, from the records of notifications."""

from blocks.contracts import ids
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import NotificationRecord
from blocks.contracts.records.digests import DigestRecord
from blocks.ports import NotFound, RecordStore, UnreadableRecord
from blocks.queries import every


def key_of(record: DigestRecord) -> str:
    """The key under which its mail is sent, once."""
    return f"notification-digest {record.digest} {record.address}"


async def outcomes(store: RecordStore, digest: str) -> tuple[int, int]:
    """How many mails of this digest were sent, and how many were not."""
    sent, all_mails = 0, 0
    async for stored in every(
        store, SYSTEM_TENANT, DigestRecord, {"digest": digest}, skips_unreadable=True
    ):
        all_mails += 1
        sent += await _was_sent(store, stored.record)
    return sent, all_mails - sent


async def _was_sent(store: RecordStore, record: DigestRecord) -> bool:
    id = ids.notification_id(key_of(record))
    try:
        return (await store.read(SYSTEM_TENANT, NotificationRecord, id)).record.sent_at is not None
    except (NotFound, UnreadableRecord):
        return False
