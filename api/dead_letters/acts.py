"""What is done to a dead letter, whether a program asks or a page."""

import msgspec

from api.dead_letters.documents import DeadLetterDiscard, DeadLetterEdit, DeadLetterReplay
from api.dead_letters.errors import DeadLetterChanged, DeadLetterNotFound, DeadLetterStranded
from api.http.errors import InvalidRequest, Problem
from api.http.etags import wanted_version
from blocks.contracts.envelope import canonical_uuid
from blocks.contracts.records.dead_letters import Who
from blocks.contracts.rejections import Rejected
from blocks.dead_letters import letters
from blocks.dead_letters.bulk_replays import Scheduled, schedule_many
from blocks.dead_letters.filters import LetterFilter
from blocks.dead_letters.letters import AnothersTenant, Letter
from blocks.ports import EventBus, NotFound, RecordStore, Stale, Unroutable


async def found_letter(
    store: RecordStore, tenant_id: str, id: str, if_match: str | None = None
) -> Letter:
    """Raises `DeadLetterNotFound`, and `DeadLetterChanged` if it is not what the request insists
    on.
    """
    version, known_id = wanted_version(if_match), canonical_uuid(id)
    if known_id is None:
        raise DeadLetterNotFound
    try:
        letter = await letters.read(store, tenant_id, known_id)
    except NotFound:
        raise DeadLetterNotFound from None
    if version not in (None, letter.record.version):
        raise DeadLetterChanged
    return letter


async def edit_letter(store: RecordStore, letter: Letter, data: DeadLetterEdit, who: Who) -> Letter:
    """The letter has this event as its body and still waits. Raises `InvalidRequest` for one that
    would be refused again, `LetterSettled`, `DeadLetterChanged`.
    """
    try:
        return await letters.edit(store, letter, msgspec.json.encode(data.event), who)
    except Stale:
        raise DeadLetterChanged from None
    except (Rejected, AnothersTenant) as refused:
        raise InvalidRequest(Problem(field="event", message=str(refused), source="body")) from None


async def replay_letter(store: RecordStore, bus: EventBus, letter: Letter, who: Who) -> Letter:
    """The message is in its queue again. Raises `LetterSettled`, `LetterCut`, `DeadLetterChanged`,
    `DeadLetterStranded`, `Unavailable`.
    """
    try:
        return await letters.replay(store, bus, letter, who)
    except Stale:
        raise DeadLetterChanged from None
    except Unroutable:
        raise DeadLetterStranded from None


async def discard_letter(
    store: RecordStore, letter: Letter, data: DeadLetterDiscard, who: Who
) -> Letter:
    """Raises `LetterSettled`, `DeadLetterChanged`."""
    try:
        return await letters.discard(store, letter, data.reason, who)
    except Stale:
        raise DeadLetterChanged from None


async def replay_letters(
    store: RecordStore, bus: EventBus, tenant_id: str, data: DeadLetterReplay, who: Who
) -> Scheduled:
    """The waiting letters that match are `replaying`, the oldest first, at the rate."""
    wanted = LetterFilter(
        code=data.code, event_type=data.type, queue=data.queue, refused_before=data.created_before
    )
    return await schedule_many(store, bus, tenant_id, wanted, who, rate=data.rate, limit=data.limit)
