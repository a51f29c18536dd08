"""Flow runs that Prefect believes to be at work and that no living worker holds."""

import logging
from contextlib import suppress
from time import monotonic

from api.mirror.drift import Drift, Parts
from api.mirror.ended_runs import end, left_open, reschedule
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records import ProcessRecord
from blocks.ports import FlowRunView, NotFound
from blocks.prefect_retries import AWAITING_RETRY

log = logging.getLogger(__name__)


class LostRuns(Drift[FlowRunView]):
    """They run again, in a living worker. One that was being cancelled when its worker died is cancelled."""

    kind = "lost_run"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._next_full_look = 0.0

    @property
    def every_seconds(self) -> float:
        """Looking for workers that have just died costs one query; for everything else, it looks as all others do."""
        return 1.0

    async def find(self) -> list[FlowRunView]:
        workers = self._parts.workers
        roll = await workers.call()
        if workers.is_blind or not (roll.dead or monotonic() >= self._next_full_look):
            return []
        self._next_full_look = monotonic() + self._seconds_to_the_next_full_look(after_a_death=bool(roll.dead))
        at_work = await self._parts.flow_runs.list_runs(states=("pending", "running", "cancelling"))
        # Between two tries, a run is its worker's alone: no other picks it up.
        at_work += await self._parts.flow_runs.list_runs(states=("scheduled",), name=AWAITING_RETRY)
        settled_before = utc_now() - workers.lost_after
        orphaned = roll.orphaned
        return [
            run for run in at_work if run.id in orphaned or (run.id not in roll.held and run.state_at < settled_before)
        ]

    def _seconds_to_the_next_full_look(self, *, after_a_death: bool) -> float:
        """What the dead claimed after their last sign of life shows only when it has been silent for as long."""
        interval = self._parts.settings.mirror.interval_seconds
        return min(interval, self._parts.workers.lost_after.total_seconds()) if after_a_death else interval

    async def act(self, run: FlowRunView) -> bool:
        if run.state == "cancelling":
            return await self._cancel(run)
        return await reschedule(self._parts, run, "its worker is gone")

    async def look(self) -> int:
        """As for every drift; then the records of dead workers go."""
        dead = (await self._parts.workers.call()).dead
        repaired = await super().look()
        if not self._parts.workers.is_blind:
            for worker in dead:
                await self._parts.store.delete(ids.SYSTEM_TENANT, ProcessRecord, worker.id)
        return repaired

    async def _cancel(self, run: FlowRunView) -> bool:
        for stored in await left_open(self._parts, run):
            await end(self._parts, stored, run)
        with suppress(NotFound):
            await self._parts.flow_runs.mark_cancelled(run.id, "its worker is gone")
        log.warning("flow run %s, which was to be cancelled when its worker died, is cancelled", run.id)
        return True
