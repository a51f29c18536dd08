"""The sweep of dead letters: due ones are replayed, settled ones deleted, waiting ones counted."""

import asyncio
import logging
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

from prometheus_client import Gauge

from blocks import signals
from blocks.clock import utc_now
from blocks.contracts import rejections
from blocks.contracts.records.dead_letters import DeadLetterRecord
from blocks.dead_letters import letters
from blocks.dead_letters.letters import Letter
from blocks.ports import EventBus, RecordStore, Stale, Unroutable
from blocks.processes.duties import again_and_again
from blocks.queries import all_tenants, every
from blocks.settings import Settings

log = logging.getLogger(__name__)

# Of several API processes only the one that leads the reconciler counts.
WAITING = Gauge(
    "dead_letters_waiting", "Dead letters that wait to be replayed or discarded", ["code"]
)

_OTHER = "other"

_REPLAY_SECONDS = 0.5
_COUNT_SECONDS = 15.0
_FORGET_SECONDS = 600.0


async def tend_dead_letters(settings: Settings, store: RecordStore, bus: EventBus) -> None:
    """Sweeps until cancelled; what fails is retried at the next sweep."""
    sweep = DeadLetterSweep(
        store,
        bus,
        kept_for=timedelta(days=settings.dead_letters.kept_days),
        interval_seconds=settings.reconciler.interval_seconds,
    )
    repeated = partial(again_and_again, "dead letters", logger=log)
    try:
        async with (
            bus.listen(signals.DEAD_LETTERS_SCHEDULED, sweep.on_signal),
            asyncio.TaskGroup() as group,
        ):
            group.create_task(repeated(sweep.replay_due, _REPLAY_SECONDS))
            group.create_task(repeated(sweep.count_waiting, _COUNT_SECONDS))
            group.create_task(repeated(sweep.forget_settled, _FORGET_SECONDS))
    finally:
        WAITING.clear()  # another process counts from now on


class DeadLetterSweep:
    """One method per task; each returns how many letters it processed."""

    def __init__(
        self, store: RecordStore, bus: EventBus, *, kept_for: timedelta, interval_seconds: float
    ) -> None:
        self._store = store
        self._bus = bus
        self._kept_for = kept_for
        self._interval_seconds = interval_seconds
        self._look_at: set[str] = set()
        self._next_full_look = 0.0

    async def on_signal(self, tenant_id: bytes) -> None:
        """The tenant's letters are looked at in the next sweep: some have just been scheduled."""
        self._look_at.add(tenant_id.decode())

    async def replay_due(self) -> int:
        """Replays the letters that are due, also those that a crashed process left behind."""
        now, replayed = utc_now(), 0
        for tenant_id in await self._tenants_to_look_at():
            scheduled = [
                letter
                async for letter in every(
                    self._store, tenant_id, DeadLetterRecord, _REPLAYING, skips_unreadable=True
                )
            ]
            if not scheduled:
                self._look_at.discard(tenant_id)
            for letter in sorted(scheduled, key=_time):
                replayed += await self._replay(letter) if _time(letter) <= now else 0
        return replayed

    async def _tenants_to_look_at(self) -> set[str]:
        """Those with scheduled letters; now and then all, because a signal can be lost."""
        if monotonic() >= self._next_full_look:
            self._look_at |= await all_tenants(self._store)
            self._next_full_look = monotonic() + self._interval_seconds
        return set(self._look_at)

    async def _replay(self, letter: Letter) -> bool:
        try:
            await letters.publish(self._store, self._bus, await letters.claim(self._store, letter))
        except Stale:
            return False  # another process was first
        except Unroutable as error:
            log.warning("dead letter %s waits again: %s", letter.record.id, error)
            return False
        log.info("dead letter %s is replayed to %s", letter.record.id, letter.record.queue)
        return True

    async def forget_settled(self) -> int:
        """Deletes letters that were settled long ago."""
        before = utc_now() - self._kept_for
        everybody = await all_tenants(self._store)
        return sum(
            [await letters.forget(self._store, tenant_id, before) for tenant_id in everybody]
        )

    async def count_waiting(self) -> int:
        """Sets the gauge of waiting letters, by code; all codes of other services count as one."""
        waiting: Counter[str] = Counter()
        for tenant_id in await all_tenants(self._store):
            async for stored in every(
                self._store,
                tenant_id,
                DeadLetterRecord,
                {"status": "waiting"},
                skips_unreadable=True,
            ):
                waiting[
                    stored.record.code if stored.record.code in rejections.OF_MESSAGES else _OTHER
                ] += 1
        for code in (*rejections.OF_MESSAGES, _OTHER):
            WAITING.labels(code).set(waiting[code])
        return waiting.total()


_REPLAYING = {"status": "replaying"}


def _time(letter: Letter) -> datetime:
    return letter.record.replay_at or letter.record.created_at
