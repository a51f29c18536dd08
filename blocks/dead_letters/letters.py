"""Dead letters as records: kept, read, edited, replayed, discarded, forgotten.

A listener moves each dead letter from the bus into a record of the tenant that its body names; one
that names none belongs to the platform. Every later action replaces exactly the version that was
read, and leaves an entry in the history.

A replay sets `replaying`, then publishes and waits for the confirm, then sets `replayed`; after a
crash in between it is published again, under the same message id, so a consumer that has seen it
does nothing twice. A letter that is refused again is the same letter.
"""

import hashlib
import logging
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts import ids, rejections
from blocks.contracts.envelope import Event, Glance, UnknownEventType, decode_event, glance
from blocks.contracts.events import CONSUMED, PUBLISHED, EventData
from blocks.contracts.reading.moments import in_utc_within_limits
from blocks.contracts.records.dead_letters import (
    SETTLED,
    DeadLetterBody,
    DeadLetterRecord,
    LetterEntry,
    LetterStatus,
    Who,
)
from blocks.contracts.rejections import Rejected
from blocks.ports import (
    AlreadyExists,
    EventBus,
    Message,
    NotFound,
    RecordStore,
    Stale,
    Stored,
    UnreadableRecord,
    Unroutable,
)
from blocks.processes import fault_points
from blocks.queries import every
from blocks.tenants.directory import enter_in_directory
from blocks.updates import update_known

log = logging.getLogger(__name__)

Letter = Stored[DeadLetterRecord]

HOLD = timedelta(seconds=30)
"""The publisher of a letter holds it for this long; after that, its process is presumed dead."""

LETTER_ID = "x-dead-letter-id"
"""Header of a replayed message: refused again, it is the same letter, even if edited."""

_WHY = (
    "x-reject-code",
    "x-reject-reason",
    "x-reject-attempts",
    "x-original-routing-key",
    "x-rejected-at",
    LETTER_ID,
)
_TYPES = {**PUBLISHED, **CONSUMED}


class LetterSettled(Exception):
    """The letter's status does not permit this; `status` is that status."""

    def __init__(self, letter: DeadLetterRecord, wanted: str) -> None:
        super().__init__(f"a dead letter that is {letter.status} cannot be {wanted}")
        self.status = letter.status


class LetterCut(Exception):
    """Only the beginning of the letter was kept: it must be edited before it can be replayed."""

    def __init__(self, letter: DeadLetterRecord) -> None:
        super().__init__(
            f"of its {letter.size:,} bytes only the beginning was kept: edit it before you "
            "replay it"
        )


class AnothersTenant(Exception):
    """The edited body names another tenant than the letter belongs to, or none."""

    def __init__(self, letter: DeadLetterRecord) -> None:
        super().__init__(f"tenantId must be {letter.tenant_id}, the tenant of this letter")


# --- kept -----------------------------------------------------------------------------------------


async def keep(store: RecordStore, queue: str, message: Message) -> Letter:
    """The dead letter is a record; the same one twice is one. A letter that comes back after a
    replay waits again. One whose record cannot be read is kept once more, beside that record: it
    must not hold up the letters behind it.
    """
    letter = letter_of(queue, message)
    if letter.tenant_id != ids.SYSTEM_TENANT:
        await enter_in_directory(store, letter.tenant_id)
    returned = await _returned(store, letter, message)
    if returned is not None:
        return await _refused_again(store, returned, letter)
    while True:
        await _keep_body(store, letter, message.body)
        with suppress(AlreadyExists):
            return await store.create(letter.tenant_id, letter)
        try:
            known = await read(store, letter.tenant_id, letter.id)
        except UnreadableRecord as error:
            log.error("the dead letter is kept once more, under another id: %s", error)
            letter = replace(letter, id=ids.dead_letter_beside(letter.id))
            continue
        return await _refused_again(store, known, letter)


def letter_of(queue: str, message: Message) -> DeadLetterRecord:
    """The letter as it is first kept; its body names the tenant."""
    # A large body is cut, and the part that is missing could name another tenant.
    seen = glance(message.body) if message.cut_from is None else Glance()
    digest = _digest(message.body, message.cut_from)
    why, rejected_at = message.headers, _rejected_at(message)
    attempts = why.get("x-reject-attempts", "")
    return DeadLetterRecord(
        id=ids.dead_letter_id(queue, message.id, digest),
        tenant_id=seen.tenant_id or ids.SYSTEM_TENANT,
        created_at=rejected_at,
        queue=queue,
        message_id=message.id,
        routing_key=message.routing_key,
        event_type=seen.event_type or message.routing_key,
        published_at=in_utc_within_limits(message.timestamp),
        headers={name: value for name, value in message.headers.items() if name not in _WHY},
        code=why.get("x-reject-code", "unknown"),
        reason=why.get("x-reject-reason", "put among the dead letters by another program"),
        attempts=int(attempts) if attempts.isdecimal() and len(attempts) < 10 else 1,
        rejected_at=rejected_at,
        size=message.cut_from or len(message.body),
        is_whole=message.cut_from is None,
        digest=digest,
        history=[LetterEntry(what="refused", at=rejected_at, note=why.get("x-reject-code"))],
    )


def _rejected_at(message: Message) -> datetime:
    """Distinguishes one refusal from the next; computed, so collecting again yields the same."""
    with suppress(ValueError, KeyError):
        moment = datetime.fromisoformat(message.headers["x-rejected-at"])
        return in_utc_within_limits(moment if moment.tzinfo else message.timestamp)
    return in_utc_within_limits(message.timestamp)


def _digest(body: bytes, cut_from: int | None) -> str:
    return hashlib.sha256(body if cut_from is None else body + str(cut_from).encode()).hexdigest()


async def _returned(
    store: RecordStore, letter: DeadLetterRecord, message: Message
) -> Letter | None:
    """The letter that was replayed as this message; a header alone proves nothing, so the rest must
    match, too.
    """
    id = message.headers.get(LETTER_ID)
    if id is None:
        return None
    # an operator may have put the tenant's id into a letter that named none
    for tenant_id in (letter.tenant_id, ids.SYSTEM_TENANT):
        with suppress(NotFound, UnreadableRecord):
            known = await read(store, tenant_id, id)
            same = (known.record.queue, known.record.message_id, known.record.digest)
            return known if same == (letter.queue, letter.message_id, letter.digest) else None
    return None


async def _refused_again(store: RecordStore, known: Letter, letter: DeadLetterRecord) -> Letter:
    async def once_more(now: Letter) -> Letter:
        if any(
            entry.what == "refused" and entry.at == letter.rejected_at
            for entry in now.record.history
        ):
            return now  # this very refusal, collected twice
        again = {"code": letter.code, "reason": letter.reason, "attempts": letter.attempts}
        changes = {**again, "rejected_at": letter.rejected_at, "times": now.record.times + 1}
        return await _change(store, now, letter.history[0], "waiting", **changes)

    return await update_known(store, known, once_more)


async def _keep_body(store: RecordStore, letter: DeadLetterRecord, body: bytes) -> None:
    """The body is durable before a letter refers to it; its id is computed from it."""
    try:
        content, encoding = body.decode(), "utf-8"
    except UnicodeDecodeError:
        content, encoding = b64encode(body).decode(), "base64"
    kept: dict[str, Any] = {"letter_id": letter.id, "encoding": encoding, "content": content}
    with suppress(AlreadyExists):
        await store.create(
            letter.tenant_id,
            DeadLetterBody(
                id=letter.body_id, tenant_id=letter.tenant_id, created_at=utc_now(), **kept
            ),
        )


# --- read -----------------------------------------------------------------------------------------


async def read(store: RecordStore, tenant_id: str, id: str) -> Letter:
    """Raises `NotFound`."""
    return await store.read(tenant_id, DeadLetterRecord, id)


async def read_body(store: RecordStore, letter: DeadLetterRecord) -> DeadLetterBody:
    """The body as it is now, or its beginning."""
    return (await store.read(letter.tenant_id, DeadLetterBody, letter.body_id)).record


def content_of(body: DeadLetterBody) -> bytes:
    return body.content.encode() if body.encoding == "utf-8" else b64decode(body.content)


# --- changed --------------------------------------------------------------------------------------


async def edit(store: RecordStore, stored: Letter, body: bytes, who: Who) -> Letter:
    """The letter has this body, and the history names who gave it; this does not replay it.

    Raises `LetterSettled`, `Stale`, `Rejected` for a body that would be refused again at once, and
    `AnothersTenant`: only the platform's own letters may become any tenant's.
    """
    letter = stored.record
    if letter.status != "waiting":
        raise LetterSettled(letter, "edited")
    event = _acceptable(body)
    if letter.tenant_id not in (event.tenant_id, ids.SYSTEM_TENANT):
        raise AnothersTenant(letter)
    edited = replace(letter, digest=_digest(body, None), size=len(body), is_whole=True)
    await _keep_body(store, edited, body)
    changes = {"digest": edited.digest, "size": edited.size, "is_whole": True}
    return await _change(
        store, stored, _entry("edited", who), "waiting", event_type=event.type, **changes
    )


def _acceptable(body: bytes) -> Event[EventData]:
    try:
        return decode_event(body, received_at=utc_now(), types=_TYPES)
    except UnknownEventType as unknown:
        raise Rejected(
            rejections.SCHEMA_INVALID, f"no handler here takes events of type {unknown}"
        ) from None


async def discard(store: RecordStore, stored: Letter, reason: str, who: Who) -> Letter:
    """Nothing more is done about the letter; it is kept for a while. Raises `LetterSettled`,
    `Stale`.
    """
    if stored.record.status != "waiting":
        raise LetterSettled(stored.record, "discarded")
    return await _change(
        store, stored, _entry("discarded", who, reason), "discarded", settled_at=utc_now()
    )


async def replay(store: RecordStore, bus: EventBus, stored: Letter, who: Who) -> Letter:
    """The message is in its queue again, confirmed, or will be: `Unavailable` leaves it
    `replaying`, to be repeated.

    Raises `LetterSettled`, `LetterCut`, `Stale`, and `Unroutable` if its queue is gone: then it
    waits again.
    """
    return await publish(store, bus, await schedule(store, stored, utc_now() + HOLD, who))


async def schedule(store: RecordStore, stored: Letter, at: datetime, who: Who) -> Letter:
    """The letter is `replaying`, to be published from `at` on. Raises `LetterSettled`, `LetterCut`,
    `Stale`.
    """
    letter = stored.record
    if letter.status not in ("waiting", "discarded"):
        raise LetterSettled(letter, "replayed")
    if not letter.is_whole:
        raise LetterCut(letter)
    return await _change(store, stored, _entry("replaying", who), "replaying", replay_at=at)


async def claim(store: RecordStore, stored: Letter) -> Letter:
    """A letter that is due is the caller's to `publish`. Raises `Stale` if another was first."""
    held = replace(stored.record, replay_at=utc_now() + HOLD)
    return await store.replace(held.tenant_id, stored.etag, held)


async def publish(store: RecordStore, bus: EventBus, stored: Letter) -> Letter:
    """The message of a `replaying` letter is in its queue, as recorded. Raises as `replay` does."""
    letter = stored.record
    try:
        await bus.deliver(letter.queue, await _message(store, letter))
    except Unroutable as error:
        with suppress(Stale):
            await _change(
                store,
                stored,
                LetterEntry(what="stranded", at=utc_now(), note=str(error)),
                "waiting",
            )
        raise
    fault_points.reached("after-replay")
    try:
        entry = LetterEntry(what="replayed", at=utc_now())
        return await _change(store, stored, entry, "replayed", settled_at=entry.at)
    except Stale:  # it has already been refused again, or another process published it, too
        return await read(store, letter.tenant_id, letter.id)


async def _message(store: RecordStore, letter: DeadLetterRecord) -> Message:
    return Message(
        id=letter.message_id,
        routing_key=letter.routing_key,
        body=content_of(await read_body(store, letter)),
        timestamp=letter.published_at,
        headers={**letter.headers, LETTER_ID: letter.id},
    )


async def _change(
    store: RecordStore, stored: Letter, entry: LetterEntry, status: LetterStatus, **changes: Any
) -> Letter:
    letter = stored.record
    settled: Mapping[str, Any] = {"replay_at": None, "settled_at": None, **changes}
    history, version = [*letter.history, entry], letter.version + 1
    return await store.replace(
        letter.tenant_id,
        stored.etag,
        replace(letter, status=status, history=history, version=version, **settled),
    )


def _entry(what: Any, who: Who, note: str | None = None) -> LetterEntry:
    return LetterEntry(what=what, at=utc_now(), actor=who.actor, channel=who.channel, note=note)


# --- forgotten ------------------------------------------------------------------------------------


async def forget(store: RecordStore, tenant_id: str, settled_before: datetime) -> int:
    """Letters of the tenant that were settled before that moment are gone, with their bodies;
    returns how many.
    """
    forgotten = 0
    async for stored in every(
        store, tenant_id, DeadLetterRecord, {"status": SETTLED}, skips_unreadable=True
    ):
        letter = stored.record
        if letter.settled_at is None or letter.settled_at >= settled_before:
            continue
        forgotten += await _forget(store, stored)
    return forgotten


async def _forget(store: RecordStore, stored: Letter) -> bool:
    """False, and it stays with its bodies, if it has changed since it was read.

    Before its bodies go, it is one that cannot be replayed: a crash leaves a letter that the next
    look forgets, and no one replays without its body.
    """
    letter = stored.record
    with suppress(Stale, NotFound):
        cut = await store.replace(letter.tenant_id, stored.etag, replace(letter, is_whole=False))
        of_letter = {"letter_id": letter.id}
        async for body in every(
            store, letter.tenant_id, DeadLetterBody, of_letter, skips_unreadable=True
        ):
            await store.delete(letter.tenant_id, DeadLetterBody, body.record.id)
        await store.delete(letter.tenant_id, DeadLetterRecord, letter.id, etag=cut.etag)
        return True
    return False
