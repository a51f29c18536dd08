"""Which workers are alive, and which flow runs they hold: from their heartbeats in the store and,
on this machine, from the operating system.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

import msgspec

from blocks.clock import TOLERANCE, utc_now
from blocks.contracts import ids
from blocks.contracts.records import ProcessRecord
from blocks.ports import RecordStore, Unavailable
from blocks.processes.local_process import has_ended
from blocks.queries import every


class LivenessSnapshot(msgspec.Struct, frozen=True):
    """The dead and the living workers at one moment."""

    dead: list[ProcessRecord]
    alive: list[ProcessRecord]

    @property
    def held(self) -> frozenset[str]:
        """The flow runs that a living worker holds."""
        return frozenset(run_id for worker in self.alive for run_id in worker.flow_run_ids)

    @property
    def orphaned(self) -> dict[str, datetime]:
        """The flow runs that only a dead worker holds, to the time of its last heartbeat."""
        held = self.held
        return {
            id: worker.beat_at
            for worker in self.dead
            for id in worker.flow_run_ids
            if id not in held
        }


class _Sighting(msgspec.Struct, frozen=True):
    """A worker's heartbeat, and when this process saw it first, by the monotonic clock."""

    beat_at: datetime
    seen_at: float


class Workers:
    """Reads the heartbeats. A worker whose heartbeat has not changed for the timeout is dead; so is
    one on this machine whose process has ended.

    The timeout is measured here, from read to read: the clocks of two machines may differ. Only
    when a worker is seen for the first time, the age of its heartbeat counts, less the clock
    tolerance. After an outage of the store, no worker is declared dead until all had time to renew.
    """

    def __init__(
        self, store: RecordStore, lost_after_seconds: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._store = store
        self._clock = clock
        self.lost_after = timedelta(seconds=lost_after_seconds)
        self._sightings: dict[str, _Sighting] = {}
        self._blind_until = 0.0

    @property
    def is_blind(self) -> bool:
        """After an outage of the store, until all workers had time to renew their heartbeats."""
        return self._clock() < self._blind_until

    async def call(self) -> LivenessSnapshot:
        """The living and the dead, by their last heartbeat. Raises `Unavailable`."""
        try:
            workers = [
                stored.record
                async for stored in every(
                    self._store,
                    ids.SYSTEM_TENANT,
                    ProcessRecord,
                    {"role": "worker"},
                )
            ]
        except Unavailable:
            self._blind_until = self._clock() + self.lost_after.total_seconds()
            raise
        self._sightings = {worker.id: self._sighting(worker) for worker in workers}
        lost_before = self._clock() - self.lost_after.total_seconds()
        alive = {
            worker.id
            for worker in workers
            if self._sightings[worker.id].seen_at >= lost_before and not _has_ended(worker)
        }
        return LivenessSnapshot(
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


def _has_ended(worker: ProcessRecord) -> bool:
    return worker.process is not None and has_ended(worker.process)
