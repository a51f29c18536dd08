"""The record that shows others that a process lives, is ready, and which flow runs die with it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Self
from uuid import uuid4

from blocks.clock import utc_now
from blocks.contracts.ids import SYSTEM_TENANT
from blocks.contracts.records import ProcessRecord
from blocks.ports import AlreadyExists, NotFound, RecordStore, Stale
from blocks.processes.ending import closing, ended
from blocks.processes.local_process import this_process
from blocks.processes.metrics import SIGN_OF_LIFE_AGE

log = logging.getLogger(__name__)

_beating: Counter[str] = Counter()


def beats(role: str) -> bool:
    """Whether this process shows that it lives in this role."""
    return _beating[role] > 0


class Heartbeat:
    """Keeps a `ProcessRecord` no older than `every_seconds` while its `async with` lasts; then the
    record is gone.

    A store that does not answer is logged once and tried again; nothing is raised.
    """

    def __init__(
        self,
        store: RecordStore,
        role: str,
        *,
        every_seconds: float,
        is_ready: Callable[[], bool] = lambda: True,
        flow_run_ids: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.id = f"{role}:{uuid4()}"
        self._store = store
        self._role = role
        self._every_seconds = every_seconds
        self._is_ready = is_ready
        self._flow_run_ids = flow_run_ids
        self._born = utc_now()
        self._process = this_process()
        self._etag: str | None = None
        self._writing = asyncio.Lock()
        self._asked = 0
        self._written = 0
        self._shown_at = monotonic()
        self._beats: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._beats = asyncio.create_task(self._beat_for_ever(), name=f"heartbeat of {self.id}")
        _beating[self._role] += 1
        SIGN_OF_LIFE_AGE.labels(self._role).set_function(lambda: monotonic() - self._shown_at)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _beating[self._role] -= 1
        await ended(self._beats)
        with suppress(Exception):  # the record goes stale, with the same effect a little later
            async with closing(f"the record {self.id}"):
                await self._store.delete(SYSTEM_TENANT, ProcessRecord, self.id)

    async def announce(self) -> None:
        """The record holds the present state, unless the store is slower than one beat or down."""
        with suppress(Exception):  # the next beat fails likewise, and logs it
            async with asyncio.timeout(self._every_seconds):
                await self._refresh()

    async def _beat_for_ever(self) -> None:
        failing = False
        while True:
            try:
                await self._refresh()
                failing = False
            except Exception as error:
                if not failing:
                    log.warning("this %s cannot show that it lives: %s", self._role, error)
                failing = True
            await asyncio.sleep(self._every_seconds)

    async def _refresh(self) -> None:
        """Writes the record; all callers during the last write share one."""
        self._asked += 1
        asked = self._asked
        async with self._writing:
            if self._written < asked:
                covered = self._asked
                await self._write()
                self._written, self._shown_at = covered, monotonic()

    async def _write(self) -> None:
        try:
            await self._put()
        except (AlreadyExists, Stale, NotFound):
            # The answer to our last write was lost, or a sweep took us for dead.
            self._etag = await self._stored_etag()
            await self._put()

    async def _put(self) -> None:
        record = ProcessRecord(
            id=self.id,
            tenant_id=SYSTEM_TENANT,
            created_at=self._born,
            role=self._role,
            beat_at=utc_now(),
            ready=self._is_ready(),
            flow_run_ids=sorted(self._flow_run_ids()),
            process=self._process,
        )
        if self._etag is None:
            stored = await self._store.create(SYSTEM_TENANT, record)
        else:
            stored = await self._store.replace(SYSTEM_TENANT, self._etag, record)
        self._etag = stored.etag

    async def _stored_etag(self) -> str | None:
        try:
            return (await self._store.read(SYSTEM_TENANT, ProcessRecord, self.id)).etag
        except NotFound:
            return None
