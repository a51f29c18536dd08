"""Making a proof packet: once, under keys that only depend on the claim."""

import asyncio
import logging
from datetime import datetime
from hashlib import sha256

from msgspec.structs import replace

from blocks.claims.packets.archive import archive_of
from blocks.claims.packets.facts import PacketFacts
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records.claims import ClaimRecord, PacketRecord
from blocks.files import FileMissing, Files
from blocks.ports import AlreadyExists, RecordStore, Stored, Unavailable
from blocks.updates import update_known

log = logging.getLogger(__name__)

MAKE_SECONDS = 60.0
"""So long drawing the summary and packing the archive may take."""

_ERROR_MAX = 500


def summary_key(packet_id: str) -> str:
    return f"proof-packets/{packet_id}/summary.pdf"


def archive_key(packet_id: str) -> str:
    return f"proof-packets/{packet_id}/proof_packet.zip"


async def make_packet(store: RecordStore, files: Files, facts: PacketFacts) -> PacketRecord:
    """The claim's packet, `completed` with its files stored, or `failed` with the reason.

    One that is completed is made no second time; one that failed, or whose maker crashed, is made
    again under the same keys, as of the moment at which it was begun first. Raises `Unavailable` of
    the record store alone.
    """
    packet = await _begin(store, facts.claim)
    if packet.record.status == "completed":
        return packet.record
    return await _make(store, files, facts, packet)


async def remake_packet(store: RecordStore, files: Files, facts: PacketFacts) -> PacketRecord:
    """As `make_packet`; and one whose archive is lost or damaged is made again."""
    packet = await _begin(store, facts.claim)
    if packet.record.status == "completed" and await is_whole(files, packet.record):
        return packet.record
    return await _make(store, files, facts, packet)


async def read_packet(store: RecordStore, tenant_id: str, claim_key: str) -> PacketRecord:
    """Raises `NotFound` if none was ever asked for."""
    return (await store.read(tenant_id, PacketRecord, ids.packet_id(claim_key))).record


async def read_archive(files: Files, packet: PacketRecord) -> bytes:
    """The archive as it was made. Raises `FileMissing` also for one that was changed since."""
    content = await files.read(archive_key(packet.id))
    if sha256(content).hexdigest() != packet.sha256:
        log.error("the archive of packet %s is not the one that was made", packet.id)
        raise FileMissing(f"the archive of packet {packet.id} was changed")
    return content


async def is_whole(files: Files, packet: PacketRecord) -> bool:
    """Whether the archive is there as it was made. Raises `FilesUnavailable`."""
    try:
        await read_archive(files, packet)
    except FileMissing:
        return False
    return True


async def _begin(store: RecordStore, claim: ClaimRecord) -> Stored[PacketRecord]:
    """The packet is `generating`, unless it is completed."""
    new = PacketRecord(
        id=ids.packet_id(claim.id),
        tenant_id=claim.tenant_id,
        created_at=utc_now(),
        claim_key=claim.id,
        claim_id=claim.claim_id,
        user_id=claim.user_id,
        execution_id=claim.execution_id,
    )
    try:
        packet = await store.create(new.tenant_id, new)
    except AlreadyExists:
        packet = await store.read(new.tenant_id, PacketRecord, new.id)

    async def begun(stored: Stored[PacketRecord]) -> Stored[PacketRecord]:
        if stored.record.status in ("generating", "completed"):
            return stored
        after = replace(
            stored.record,
            status="generating",
            generation_started_at=stored.record.generation_started_at or utc_now(),
            error=None,
        )
        return await store.replace(after.tenant_id, stored.etag, after)

    return await update_known(store, packet, begun)


async def _make(
    store: RecordStore, files: Files, facts: PacketFacts, packet: Stored[PacketRecord]
) -> PacketRecord:
    id, began = packet.record.id, packet.record.generation_started_at or packet.record.created_at
    try:
        async with asyncio.timeout(MAKE_SECONDS):
            summary, archive = await asyncio.to_thread(_draw, facts.as_of(began), id, began)
        await files.write(summary_key(id), summary)
        await files.write(archive_key(id), archive)
    except Exception as error:
        log.log(
            logging.WARNING if isinstance(error, Unavailable | TimeoutError) else logging.ERROR,
            "proof packet %s of claim %s could not be made",
            id,
            facts.claim.claim_id,
            exc_info=None if isinstance(error, Unavailable) else error,
        )
        return await _fail(store, packet, str(error) or type(error).__name__)
    return await _complete(store, packet, archive)


def _draw(facts: PacketFacts, packet_id: str, generated_at: datetime) -> tuple[bytes, bytes]:
    from blocks.claims.packets.summary import summary_of  # its library takes a while to load

    summary = summary_of(facts, packet_id, generated_at)
    return summary, archive_of(facts, summary, generated_at)


async def _complete(
    store: RecordStore, packet: Stored[PacketRecord], archive: bytes
) -> PacketRecord:
    digest = sha256(archive).hexdigest()

    async def completed(stored: Stored[PacketRecord]) -> PacketRecord:
        if stored.record.status == "completed" and stored.record.sha256 == digest:
            return stored.record
        after = replace(
            stored.record,
            status="completed",
            generation_completed_at=utc_now(),
            error=None,
            packet_bytes=len(archive),
            sha256=digest,
        )
        return (await store.replace(after.tenant_id, stored.etag, after)).record

    return await update_known(store, packet, completed)


async def _fail(store: RecordStore, packet: Stored[PacketRecord], reason: str) -> PacketRecord:
    async def failed(stored: Stored[PacketRecord]) -> PacketRecord:
        if stored.record.status == "completed":  # by another, meanwhile
            return stored.record
        after = replace(
            stored.record,
            status="failed",
            generation_completed_at=utc_now(),
            error=reason[:_ERROR_MAX],
        )
        return (await store.replace(after.tenant_id, stored.etag, after)).record

    return await update_known(store, packet, failed)
