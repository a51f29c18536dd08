"""Which workers live, and which flow runs they hold; from the signs of life that they leave as records."""

from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

import msgspec

from blocks.clock import TOLERANCE, utc_now
from blocks.contracts import ids
from blocks.contracts.records import ProcessRecord
from blocks.ports import RecordStore, Unavailable
from blocks.queries import every


class Roll(msgspec.Struct, frozen=True):
    """The dead and the living of one moment."""

    dead: list[ProcessRecord]
    alive: list[ProcessRecord]

    @property
    def held(self) -> frozenset[str]:
        """The flow runs that a living worker holds."""
        return frozenset(run_id for worker in self.alive for run_id in worker.flow_run_ids)

    @property
    def orphaned(self) -> dict[str, datetime]:
        """The flow runs that a dead worker held, and no living one holds, to the last sign of life of the dead."""
        held = self.held
        return {id: worker.beat_at for worker in self.dead for id in worker.flow_run_ids if id not in held}


class _Sighting(msgspec.Struct, frozen=True):
    """A worker's sign of life, and when this process saw it first, by a clock that nobody sets."""

    beat_at: datetime
    seen_at: float


class Workers:
    """Calls the roll. Who leaves no new sign of life for as long as that is dead.

    How long is measured here, from call to call: the clocks of two machines may differ. Only when a worker is seen for
    the first time, the age of its sign counts, less what clocks may differ by. After a time in which the store was
    away, nobody is judged until all had time to show up.
    """

    def __init__(self, store: RecordStore, lost_after_seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._clock = clock
        self.lost_after = timedelta(seconds=lost_after_seconds)
        self._sightings: dict[str, _Sighting] = {}
        self._blind_until = 0.0

    @property
    def is_blind(self) -> bool:
        """While the store was away no worker could show that it lives."""
        return self._clock() < self._blind_until

    async def call(self) -> Roll:
        """Who lives, by the last sign of life. Raises `Unavailable`."""
        try:
            workers = [
                stored.record
                async for stored in every(self._store, ids.SYSTEM_TENANT, ProcessRecord, {"role": "worker"})
            ]
        except Unavailable:
            self._blind_until = self._clock() + self.lost_after.total_seconds()
            raise
        self._sightings = {worker.id: self._sighting(worker) for worker in workers}
        lost_before = self._clock() - self.lost_after.total_seconds()
        alive = {id for id, sighting in self._sightings.items() if sighting.seen_at >= lost_before}
        return Roll(
            dead=[worker for worker in workers if worker.id not in alive],
            alive=[worker for worker in workers if worker.id in alive],
        )

    def _sighting(self, worker: ProcessRecord) -> _Sighting:
        match self._sightings.get(worker.id):
            case _Sighting(beat_at=beat_at) as known if beat_at == worker.beat_at:
                return known
            case None:
                age = utc_now() - worker.beat_at - TOLERANCE
                return _Sighting(worker.beat_at, self._clock() - max(age.total_seconds(), 0.0))
            case _:
                return _Sighting(worker.beat_at, self._clock())
