"""Leader election of reconcilers: the leader's name is in the `ReconcilerRecord`, which it renews.

Two leaders for a moment do no harm, so the lease needs no fencing: it only saves the others the
work. A lease has expired when the record has not changed for its duration on the watcher's own
clock: the clocks of two machines need not agree.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from api.reconciler.bell import Bell
from api.reconciler.journal import Journal
from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ReconcilerRecord
from blocks.ports import AlreadyExists, NotFound, RecordStore, Stale, Stored, Unavailable
from blocks.processes.ending import ended

log = logging.getLogger(__name__)

_RELEASE_SECONDS = 2.0


class Leadership:
    """One reconciler's part in the election. Its `Bell` makes it look for a free lease at once."""

    def __init__(
        self, store: RecordStore, journal: Journal, bell: Bell, *, lease_seconds: float
    ) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._store = store
        self._journal = journal
        self._bell = bell
        self._lease_seconds = lease_seconds
        self._held: Stored[ReconcilerRecord] | None = None
        self._seen_etag: str | None = None
        self._seen_at = 0.0

    @property
    def has_seen_a_leader(self) -> bool:
        return self._seen_etag is not None

    async def lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Works while it leads, until cancelled; then frees the lease. Raises as `work` does."""
        while True:
            await self._until_ours()
            log.info("this reconciler (%s) leads", self.name)
            tasks = [asyncio.create_task(work()), asyncio.create_task(self._until_lost())]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await ended(*tasks)
                await self._release()
            for task in done:
                task.result()

    async def _until_ours(self) -> None:
        while True:
            rung = self._bell.rung
            with suppress(Unavailable, Stale, AlreadyExists, NotFound):
                if await self._take():
                    return
            await rung.wait(self._lease_seconds / 3)

    async def _until_lost(self) -> None:
        renewed_at = monotonic()
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                await self._renew()
                renewed_at = monotonic()
            except (Stale, NotFound):
                log.warning("another reconciler leads")
                return
            except Unavailable as error:
                if monotonic() - renewed_at > self._lease_seconds:
                    log.warning(
                        "this reconciler leads no longer, it cannot renew its lease: %s", error
                    )
                    return

    async def _take(self) -> bool:
        """Whether the lease is ours. Raises `Stale` or `AlreadyExists` if another was faster."""
        try:
            stored = await self._store.read(SYSTEM_TENANT, ReconcilerRecord, ReconcilerRecord.ID)
        except NotFound:
            self._held = await self._store.create(SYSTEM_TENANT, self._fresh())
            return True
        if stored.record.leader is not None and not self._has_run_out(stored):
            return False
        self._journal.continue_from(stored.record.looks)
        self._held = await self._store.replace(SYSTEM_TENANT, stored.etag, self._fresh())
        return True

    async def _renew(self) -> None:
        """Raises `Stale` if another process has taken it."""
        assert self._held, "only the leader renews"
        renewed = replace(self._held.record, renewed_at=utc_now(), looks=dict(self._journal.looks))
        try:
            self._held = await self._store.replace(SYSTEM_TENANT, self._held.etag, renewed)
        except Stale:
            # The answer to our own last write may have been lost.
            self._held = await self._store.read(
                SYSTEM_TENANT, ReconcilerRecord, ReconcilerRecord.ID
            )
            if self._held.record.leader != self.name:
                raise

    async def _release(self) -> None:
        """The lease is free, if it is still ours and the store answers; else it runs out."""
        if self._held is None or self._held.record.leader != self.name:
            return
        free = replace(
            self._held.record, leader=None, renewed_at=utc_now(), looks=dict(self._journal.looks)
        )
        with suppress(Exception):
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._store.replace(SYSTEM_TENANT, self._held.etag, free)
        self._held = None

    def _has_run_out(self, stored: Stored[ReconcilerRecord]) -> bool:
        if stored.etag != self._seen_etag:
            # At first sight the record's own time has to do: it may have stood like this for hours.
            first = not self.has_seen_a_leader
            age = (utc_now() - stored.record.renewed_at).total_seconds() if first else 0.0
            self._seen_etag, self._seen_at = stored.etag, monotonic() - max(age, 0.0)
        return monotonic() - self._seen_at > stored.record.lease_seconds

    def _fresh(self) -> ReconcilerRecord:
        now = utc_now()
        return ReconcilerRecord(
            id=ReconcilerRecord.ID,
            tenant_id=SYSTEM_TENANT,
            created_at=now,
            leader=self.name,
            leads_since=now,
            renewed_at=now,
            lease_seconds=self._lease_seconds,
            looks=dict(self._journal.looks),
        )
