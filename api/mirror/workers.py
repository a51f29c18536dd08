"""Which workers live, and which flow runs they hold; from the signs of life that they leave as records."""

from datetime import datetime, timedelta
from time import monotonic

import msgspec

from blocks.clock import utc_now
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


class Workers:
    """Calls the roll. After a time in which the store was away, nobody is judged until all had time to show up."""

    def __init__(self, store: RecordStore, lost_after_seconds: float) -> None:
        self._store = store
        self.lost_after = timedelta(seconds=lost_after_seconds)
        self._blind_until = 0.0

    @property
    def is_blind(self) -> bool:
        """While the store was away no worker could show that it lives."""
        return monotonic() < self._blind_until

    async def call(self) -> Roll:
        """Who lives, by the last sign of life. Raises `Unavailable`."""
        oldest_beat = utc_now() - self.lost_after
        try:
            workers = [
                stored.record
                async for stored in every(self._store, ids.SYSTEM_TENANT, ProcessRecord, {"role": "worker"})
            ]
        except Unavailable:
            self._blind_until = monotonic() + self.lost_after.total_seconds()
            raise
        return Roll(
            dead=[worker for worker in workers if worker.beat_at < oldest_beat],
            alive=[worker for worker in workers if worker.beat_at >= oldest_beat],
        )
