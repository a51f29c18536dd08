"""Consumes one queue of the embedded event bus, competing with the consumers of other processes."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self
from uuid import uuid4

from blocks.adapters.consuming import DELIVERY_LIMIT, Pause, drain, judge_together, too_large
from blocks.adapters.sqlite import event_tables as tables
from blocks.adapters.sqlite.file import SqliteFile
from blocks.adapters.sqlite.watch import SqliteWatch
from blocks.contracts import rejections
from blocks.ports import BunchHandler, Queue, Reject, Unavailable, Verdict
from blocks.processes.ending import ended

log = logging.getLogger(__name__)


class SqliteConsumer:
    """Leases what is due, lets the handler judge it, and settles it; many settlements share one
    commit.

    A lease is renewed while its handler works. When the process dies, it runs out and another
    consumer takes over.
    """

    def __init__(
        self,
        file: SqliteFile,
        watch: SqliteWatch,
        queue: Queue,
        handler: BunchHandler,
        *,
        concurrency: int,
        bunches: int | None = None,
        lease_seconds: float,
        dead_letters: bool = False,
    ) -> None:
        self._file = file
        self._watch = watch
        self._queue = queue
        self._name = queue.dead_letters if dead_letters else queue.name
        self._is_for_dead_letters = dead_letters
        self._handler = handler
        self._concurrency = concurrency
        self._bunches = bunches or concurrency
        self._bunch_max = concurrency if bunches else 1
        self._lease_seconds = lease_seconds
        self._owner = uuid4().hex
        self._at_work: dict[asyncio.Task[None], list[tables.Claim]] = {}
        self._slot_freed = asyncio.Event()
        self._pause = Pause()
        self._is_registered = False
        self._loops: list[asyncio.Task[None]] = []

    @property
    def is_registered(self) -> bool:
        return self._is_registered

    async def __aenter__(self) -> Self:
        self._loops = [
            asyncio.create_task(self._take_for_ever()),
            asyncio.create_task(self._renew_for_ever()),
        ]
        self._is_registered = True
        return self

    async def __aexit__(
        self, *exc: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        taking, renewing = self._loops
        self._is_registered = False
        await ended(taking)
        await drain(set(self._at_work))
        await ended(renewing)
        try:
            await self._file.run(partial(tables.give_back, queue=self._name, owner=self._owner))
        except Unavailable as error:
            log.warning("%s keeps its messages until their leases run out: %s", self._name, error)

    async def _take_for_ever(self) -> None:
        while True:
            try:
                await self._take()
                self._is_registered = True
            except Exception:
                log.exception("queue %s cannot be read", self._name)
                self._is_registered = False
                self._pause.begin()

    async def _take(self) -> None:
        """As many deliveries as there are free slots are at work; waits for a slot,
        then for work.
        """
        while self._free_slots <= 0:
            self._slot_freed.clear()
            await self._slot_freed.wait()
        await self._watch.until(partial(tables.has_due, queue=self._name))
        await self._pause.over()
        claims = await self._file.run(self._claim())
        for start in range(0, len(claims), self._bunch_max):
            bunch = claims[start : start + self._bunch_max]
            task = asyncio.create_task(self._handle(bunch))
            self._at_work[task] = bunch
            task.add_done_callback(self._free_slot)

    def _claim(self) -> Callable[[sqlite3.Connection], list[tables.Claim]]:
        return partial(
            tables.claim,
            queue=self._name,
            owner=self._owner,
            limit=max(self._free_slots, 0),
            lease_seconds=self._lease_seconds,
            max_bytes=self._queue.max_bytes,
        )

    @property
    def _free_slots(self) -> int:
        if len(self._at_work) >= self._bunches:
            return 0
        slots = 1 if self._pause.is_trial else self._concurrency
        return slots - sum(map(len, self._at_work.values()))

    def _free_slot(self, task: asyncio.Task[None]) -> None:
        del self._at_work[task]
        self._slot_freed.set()

    async def _handle(self, claims: Sequence[tables.Claim]) -> None:
        verdicts = await self._judge(claims)
        self._pause.heed(verdicts)
        settlement = partial(
            tables.settle,
            verdicts=[*zip(claims, verdicts, strict=True)],
            owner=self._owner,
            queue=self._queue,
        )
        try:
            await self._file.run(settlement)
        except Unavailable as error:
            log.warning("%d messages will come again: %s", len(claims), error)

    async def _judge(self, claims: Sequence[tables.Claim]) -> list[Verdict | None]:
        refused = {claim.seq: self._refusal(claim) for claim in claims}
        asked = [claim.delivery for claim in claims if refused[claim.seq] is None]
        verdicts = iter(await judge_together(self._handler, asked, self._queue) if asked else ())
        return [refused[claim.seq] or next(verdicts) for claim in claims]

    def _refusal(self, claim: tables.Claim) -> Reject | None:
        """The verdict on what no handler may see."""
        if self._is_for_dead_letters:
            return None
        if claim.delivery.message.cut_from is not None:
            return too_large(claim.delivery.message.cut_from, self._queue.max_bytes)
        if claim.losses >= DELIVERY_LIMIT:
            return Reject(
                rejections.POISON, f"lost together with its consumer {claim.losses} times"
            )
        return None

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            claims = [claim for bunch in self._at_work.values() for claim in bunch]
            renewal = partial(
                tables.renew, claims=claims, owner=self._owner, lease_seconds=self._lease_seconds
            )
            try:
                await self._file.run(renewal)
            except Unavailable as error:
                log.warning("queue %s cannot renew its leases: %s", self._name, error)
