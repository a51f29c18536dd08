"""How many of something a tenant may have, held under concurrency: one function counts and takes a
place.

Counting records and then creating one is two steps: requests at the same time all count before any
of them creates. So a place is taken first, on one record per tenant and kind, whose ETag lets one
process at a time take one; the record that was limited is created after that, under the id for
which the place was taken.

Crash-safe: a place whose record does not exist after `GRACE` is free again, and records that stand
on no roster (they are older than it) count too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from weakref import WeakValueDictionary

from msgspec.structs import replace

from blocks.clock import utc_now
from blocks.contracts.records import Place, RosterRecord
from blocks.ports import AlreadyExists, NotFound, RecordStore, Stale, Stored, Unavailable
from blocks.updates import update

GRACE = timedelta(minutes=5)
"""How long a place is kept for a record that is still to be created; no store takes nearly as long.
"""

_TRIES = 200

Living = Callable[[], Awaitable[Mapping[str, str]]]
"""Id to group of the records that count now."""

Check = Callable[[Mapping[str, str]], None]
"""Raises if there is no place beside these: id to group."""

_turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
"""Within a process they queue up: a hundred that compete by ETag alone would read a hundred times
each.
"""


class Roster:
    """The places of one kind of record of a tenant; `living` queries the store for holders."""

    def __init__(
        self, store: RecordStore, owner: str, tenant_id: str, what: str, living: Living
    ) -> None:
        self._store, self._owner, self._living = store, owner, living
        self._tenant_id, self._id = tenant_id, RosterRecord.id_of(what, tenant_id)

    async def take(self, id: str, check: Check, group: str = "") -> None:
        """The record of this id may be created. Raises what `check` raises, and `Unavailable`."""
        turn = _turns.setdefault((self._owner, self._id), asyncio.Lock())
        async with turn:
            await update(lambda: self._take(id, check, group), self._id)

    async def _take(self, id: str, check: Check, group: str) -> None:
        # The roster first: who has left it since is no longer among the living either.
        stored = await self._read()
        kept = await self._kept(stored.record, check)
        await self._write(stored, {**kept, id: Place(group=group, since=utc_now())})

    async def leave(self, id: str) -> None:
        """The place is free at once; if the store does not answer now, after `GRACE`."""
        with suppress(NotFound, Unavailable):
            await update(lambda: self._leave(id), self._id)

    async def _leave(self, id: str) -> None:
        stored = await self._store.read(self._owner, RosterRecord, self._id)
        if id in stored.record.places:
            await self._write(
                stored,
                {member: one for member, one in stored.record.places.items() if member != id},
            )

    async def _write(self, stored: Stored[RosterRecord], places: dict[str, Place]) -> None:
        """Raises `Stale`, also when the roster is gone."""
        try:
            await self._store.replace(
                self._owner, stored.etag, replace(stored.record, places=places)
            )
        except NotFound as gone:
            raise Stale(str(gone)) from None

    async def _read(self) -> Stored[RosterRecord]:
        try:
            return await self._store.read(self._owner, RosterRecord, self._id)
        except NotFound:
            pass
        with suppress(AlreadyExists):
            return await self._store.create(
                self._owner, RosterRecord(id=self._id, tenant_id=self._owner, created_at=utc_now())
            )
        return await self._store.read(self._owner, RosterRecord, self._id)

    async def _kept(self, roster: RosterRecord, check: Check) -> dict[str, Place]:
        living, now = await self._living(), utc_now()
        kept = {
            id: one for id, one in roster.places.items() if id in living or now < one.since + GRACE
        }
        check({**living, **{id: one.group for id, one in kept.items()}})
        return kept
