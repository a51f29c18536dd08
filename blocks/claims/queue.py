"""Claim recovery as a queue of jobs: its figures, and what leaves them.

A job of `orchestration` is a phase, one of `syncProgress` a journey. The figures come from counts;
only the few newest phases are read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

import msgspec
from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts.claims.phases import WORKFLOW, PhaseStatus
from blocks.contracts.records import ExecutionRecord, Record
from blocks.contracts.records.claims import PhaseRecord
from blocks.contracts.states import ExecutionStatus
from blocks.ports import Between, NotFound, Query, RecordStore, Stale, Stored, Where
from blocks.queries import every

RECENT_MAX = 11
"""So many jobs the platform's queue looks at."""

CLEANED_MAX = 500
"""In one call."""

Cleanable = Literal["failed", "completed", "active", "delayed", "wait"]

_PHASES: Mapping[str, PhaseStatus] = {
    "waiting": "requested",
    "active": "running",
    "completed": "completed",
    "failed": "failed",
}
_JOURNEYS: Mapping[str, ExecutionStatus] = {
    "waiting": "pending",
    "active": "running",
    "completed": "completed",
    "failed": "failed",
    "delayed": "waiting",
}


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one tenant, now."""

    phases: dict[str, int]
    journeys: dict[str, int]
    recent: Sequence[PhaseRecord]
    """The newest that have ended."""


async def figures(store: RecordStore, tenant_id: str) -> QueueFigures:
    """How many phases and journeys are in each state; phases that were cleaned do not count."""
    ended = {"status": ("completed", "failed"), "cleaned_at": None}
    query = Query(PhaseRecord, ended, newest_first=True, limit=RECENT_MAX, skips_unreadable=True)
    phases, journeys, page = await asyncio.gather(
        _counts(store, tenant_id, PhaseRecord, _PHASES, {"cleaned_at": None}),
        _counts(store, tenant_id, ExecutionRecord, _JOURNEYS, {"workflow": WORKFLOW}),
        store.query(tenant_id, query),
    )
    return QueueFigures(
        phases=phases, journeys=journeys, recent=[stored.record for stored in page.items]
    )


async def _counts(
    store: RecordStore, tenant_id: str, kind: type[Record], states: Mapping[str, str], also: Where
) -> dict[str, int]:
    """By name of the state."""
    counted = await asyncio.gather(
        *(store.count(tenant_id, kind, {**also, "status": status}) for status in states.values())
    )
    return dict(zip(states, counted, strict=True))


async def clean(store: RecordStore, tenant_id: str, status: Cleanable, grace: timedelta) -> int:
    """Phases that ended so at least `grace` ago are out of the figures; returns how many, at most
    `CLEANED_MAX`.

    Nothing is deleted. What has not ended stays in: a figure that hides work under way is wrong.
    """
    if status not in ("failed", "completed"):
        return 0
    cleaned, before = 0, utc_now() - grace
    # None was completed before it was created, so this leaves out only what is too new.
    where = {"status": status, "cleaned_at": None, "created_at": Between(until=before)}
    async for stored in every(store, tenant_id, PhaseRecord, where, skips_unreadable=True):
        ended = stored.record.completed_at
        if ended is not None and ended <= before:
            cleaned += await _cleaned(store, stored)
        if cleaned >= CLEANED_MAX:
            break
    return cleaned


async def _cleaned(store: RecordStore, stored: Stored[PhaseRecord]) -> bool:
    """False: it was requested once more in the meantime."""
    record = replace(stored.record, cleaned_at=utc_now())
    try:
        await store.replace(record.tenant_id, stored.etag, record)
    except (Stale, NotFound):
        return False
    return True
