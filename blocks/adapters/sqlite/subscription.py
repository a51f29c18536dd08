"""A transient subscription on the embedded bus: reads what publishers write down while it lasts."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from uuid import uuid4

from blocks.adapters.routing import matches
from blocks.adapters.sqlite import subscription_tables as tables
from blocks.adapters.sqlite.file import SqliteFile
from blocks.adapters.sqlite.watch import SqliteWatch
from blocks.ports import Subscriber, Unavailable
from blocks.processes.ending import ended

log = logging.getLogger(__name__)

LEASE_SECONDS = 20.0
"""Who stands still for longer has missed events; a broker's heartbeat cuts it off after as long."""

_AFTER_ERROR_SECONDS = 0.1


class SqliteSubscription:
    """Hands published events to the subscriber; lives as long as its `async with`."""

    def __init__(
        self,
        file: SqliteFile,
        watch: SqliteWatch,
        patterns: Sequence[str],
        subscriber: Subscriber,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._file = file
        self._watch = watch
        self._patterns = patterns
        self._subscriber = subscriber
        self._lease_seconds = lease_seconds
        self._owner = uuid4().hex
        self._received = 0
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        await self._begin()
        self._loops = [
            asyncio.create_task(self._hear_for_ever()),
            asyncio.create_task(self._renew_for_ever()),
        ]

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        await ended(*self._loops)
        try:
            await self._file.run(partial(tables.end, owner=self._owner))
        except Unavailable as error:
            log.debug("events are written down until the lease runs out: %s", error)

    async def _begin(self) -> None:
        beginning = partial(
            tables.begin, owner=self._owner, patterns=self._patterns, seconds=self._lease_seconds
        )
        self._received = await self._file.run(beginning)

    async def _hear_for_ever(self) -> None:
        while True:
            try:
                self._take(await self._watch.until(partial(tables.after, seq=self._received)))
            except Exception:
                log.exception("events cannot be received")
                await asyncio.sleep(_AFTER_ERROR_SECONDS)

    def _take(self, found: list[tables.Overheard]) -> None:
        if found[0].seq != self._received + 1:
            self._subscriber.on_gap()
        for received in found:
            self._received = received.seq
            if any(matches(pattern, received.message.routing_key) for pattern in self._patterns):
                self._subscriber.on_event(received.message)

    async def _renew_for_ever(self) -> None:
        renewal = partial(tables.renew, owner=self._owner, seconds=self._lease_seconds)
        while True:
            await asyncio.sleep(self._lease_seconds / 4)
            try:
                if not await self._file.run(renewal):
                    await self._begin()
                    self._subscriber.on_gap()
            except Unavailable as error:
                log.warning("events may be missed: %s", error)
