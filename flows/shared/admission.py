"""How the executions of large runs are begun: slice by slice, so that those of other tenants need
not wait behind them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import TypeVar
from uuid import uuid4

from blocks.clock import utc_now
from blocks.observability.metrics import work
from blocks.ports import EventBus, Message, Unavailable, Unroutable
from blocks.signals import MARK, MARK_BODY

T = TypeVar("T")

SLICE = 10
"""Executions of the first slice, of the smallest one, and of each beside other tenants' traffic."""

SLICE_MAX = 50

SLICE_SECONDS = 0.15
"""A slice that was passed sooner is followed by a larger one, of up to `SLICE_MAX`, one that took
longer by a smaller one: so long does a lone execution wait for what is in front of it. What is
taken together costs less: in slices of 40 a burst is 15 % faster than in slices of 10.
"""

UNDER_WAY = 2
"""While listeners take one slice, the worker begins the next. Beside traffic there is one alone."""

FEW = 5
"""A run of so many begins them at once, and is traffic."""

MARK_SECONDS = 1.0
"""A mark that is not back after this long is not waited for: it is lost, or no listener runs."""

TRAFFIC_SECONDS = 5.0
"""So long after its last run of few executions a tenant counts as traffic."""


class Admission:
    """Of one process: its runs begin their executions in turns.

    A slice is followed by a mark in the intake queue, and is under way until the mark returns
    through a listener: what lay in front of it has been taken. So the queue never holds more of
    large runs than what `UNDER_WAY` slices bring, and while it does the listeners have work.
    Nothing is assumed of how fast the machine or the services are: answers that take an hour hold
    no slice up.
    """

    def __init__(self, bus: EventBus, intake: str) -> None:
        self._bus = bus
        self._intake = intake
        self._size = SLICE
        self._turn = asyncio.Lock()  # first come, first served: runs that wait take turns
        self._under_way: set[asyncio.Task[None]] = set()
        self._marks: dict[str, asyncio.Event] = {}
        self._traffic_until: dict[str, float] = {}

    async def begin(
        self, tenant_id: str, items: Sequence[T], begin: Callable[[Sequence[T]], Awaitable[None]]
    ) -> None:
        """`begin` was called with all items: at once if they are few, otherwise slice by slice; all
        that it brought has been taken.
        """
        if len(items) <= FEW:
            self._note_traffic(tenant_id)
            await begin(items)
            return
        begun, slices = 0, set[asyncio.Task[None]]()
        try:
            while begun < len(items):
                async with self._turn:
                    size = await self._room(tenant_id)
                    since = monotonic()
                    await begin(items[begun : begun + size])
                    begun += size
                    slices.add(self._follow(size, since))
            await asyncio.gather(*slices)
        finally:
            for left in slices:
                left.cancel()

    async def mark_passed(self, body: bytes) -> None:
        """A listener has taken this mark from the intake queue."""
        if mark := self._marks.get(body.decode()):
            mark.set()

    async def _room(self, tenant_id: str) -> int:
        """The size of the slice that may begin now."""
        while True:
            is_alone = not self._others_have_few(tenant_id)
            if len(self._under_way) < (UNDER_WAY if is_alone else 1):
                return self._size if is_alone else SLICE
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    def _follow(self, size: int, since: float) -> asyncio.Task[None]:
        """A slice of this size is under way until the task is done."""
        task = asyncio.create_task(self._passed(size, since))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _passed(self, size: int, since: float) -> None:
        """What lay in the intake queue has been taken, or `MARK_SECONDS` are over."""
        id = str(uuid4())
        passed = self._marks[id] = asyncio.Event()
        message = Message(id=id, routing_key=MARK, body=MARK_BODY, timestamp=utc_now())
        try:
            async with asyncio.timeout(MARK_SECONDS):
                await self._bus.deliver(self._intake, message)
                await passed.wait()
        except (TimeoutError, Unavailable, Unroutable):
            work.MARKS_LATE.inc()
        finally:
            del self._marks[id]
        seconds = monotonic() - since
        work.SLICE_SECONDS.observe(seconds)
        if size == self._size:
            self._size = next_size(size, seconds)

    def _note_traffic(self, tenant_id: str) -> None:
        """Those whose time is over are forgotten: there are any number of tenants."""
        now = monotonic()
        still = {tenant: until for tenant, until in self._traffic_until.items() if until > now}
        self._traffic_until = still | {tenant_id: now + TRAFFIC_SECONDS}

    def _others_have_few(self, tenant_id: str) -> bool:
        now = monotonic()
        return any(
            tenant != tenant_id and until > now for tenant, until in self._traffic_until.items()
        )


def next_size(size: int, seconds: float) -> int:
    """Of the slice after one of this size that took so long: at most twice as many."""
    wanted = size * min(2.0, SLICE_SECONDS / max(seconds, 1e-9))
    return min(max(round(wanted), SLICE), SLICE_MAX)


def sliced(items: Sequence[T]) -> list[Sequence[T]]:
    """The items in their order, `SLICE` at a time."""
    return [items[start : start + SLICE] for start in range(0, len(items), SLICE)]
