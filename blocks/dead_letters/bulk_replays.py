"""Many dead letters at once: scheduled at a rate, so that a replay does not become a flood.

Each letter holds its own time; the reconciler's sweep publishes it then, also after a crash.
"""

import asyncio
from datetime import datetime, timedelta

import msgspec

from blocks import signals
from blocks.clock import utc_now
from blocks.contracts.records.dead_letters import DeadLetterRecord, Who
from blocks.dead_letters import letters
from blocks.dead_letters.filters import LetterFilter
from blocks.dead_letters.letters import Letter, LetterCut
from blocks.ports import EventBus, Query, RecordStore, Stale

_AT_ONCE = 20


class Scheduled(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of replaying many; `skipped`: truncated letters, or another caller was first."""

    scheduled: int
    skipped: int
    more: bool
    """More letters match than the request allowed for."""
    last_at: datetime | None


async def schedule_many(
    store: RecordStore,
    bus: EventBus,
    tenant_id: str,
    wanted: LetterFilter,
    who: Who,
    *,
    rate: float,
    limit: int,
) -> Scheduled:
    """The oldest matching letters of the tenant that wait are `replaying`, at `rate` a second."""
    where = msgspec.structs.replace(wanted, status="waiting").where()
    page = await store.query(
        tenant_id, Query(DeadLetterRecord, where, newest_first=False, limit=limit)
    )
    able = [stored for stored in page.items if stored.record.is_whole]
    begin, taken, last_at = utc_now(), 0, None
    for first in range(0, len(able), _AT_ONCE):
        batch = able[first : first + _AT_ONCE]
        times = [begin + timedelta(seconds=(first + index) / rate) for index in range(len(batch))]
        done = await asyncio.gather(
            *(_schedule(store, one, at, who) for one, at in zip(batch, times, strict=True))
        )
        taken, last_at = taken + sum(done), times[-1]
    await bus.broadcast(signals.DEAD_LETTERS_SCHEDULED, tenant_id.encode())
    return Scheduled(
        scheduled=taken,
        skipped=len(page.items) - taken,
        more=page.continuation is not None,
        last_at=last_at if taken else None,
    )


async def _schedule(store: RecordStore, stored: Letter, at: datetime, who: Who) -> bool:
    try:
        await letters.schedule(store, stored, at, who)
    except (Stale, LetterCut):
        return False
    return True
