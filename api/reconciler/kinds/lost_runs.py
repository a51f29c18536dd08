"""Flow runs that are running in Prefect and that no living worker holds."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from time import monotonic

from msgspec.structs import replace

from api.reconciler.drift import Drift, Parts
from api.reconciler.kinds.ended_runs import (
    RESCHEDULES_MAX,
    end,
    left_open,
    reschedule,
    runs_again,
)
from api.reconciler.workers import LivenessSnapshot
from blocks.adapters.prefect.retries import AWAITING_RETRY
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.records import ProcessRecord
from blocks.ports import FlowRunView, NotFound

log = logging.getLogger(__name__)

_GONE = "its worker is gone"
_AT_WORK = ("pending", "running", "cancelling")
_STARTING = timedelta(minutes=5)
"""A run in a process of its own sends its first heartbeat when the second of two interpreters has
imported it: ten seconds on a quiet machine, more than a minute on a busy one.
"""


class LostRuns(Drift[FlowRunView]):
    """They run again in a living worker, within limits; those being cancelled are cancelled."""

    kind = "lost_run"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._next_full_look = 0.0
        self._dead: list[ProcessRecord] = []

    @property
    def every_seconds(self) -> float:
        """Looking for workers that have just died costs one query; for everything else, it looks as
        all others do.
        """
        return 0.5

    async def find(self) -> list[FlowRunView]:
        workers = self._parts.workers
        snapshot = await workers.call()
        self._dead = [] if workers.is_blind else snapshot.dead
        if workers.is_blind:
            return []
        if orphaned := await self._orphaned(snapshot) if snapshot.dead else []:
            return orphaned  # before the queries of the full look, slow on a busy server
        return await self._unheld(snapshot) if monotonic() >= self._next_full_look else []

    async def _orphaned(self, snapshot: LivenessSnapshot) -> list[FlowRunView]:
        """The runs in a dead worker's last heartbeat that no other worker has claimed since.

        What it claimed after that is in no record; it is found when its state has not changed for
        long enough.
        """
        settings, last_sign = self._parts.settings.worker, snapshot.orphaned
        self._next_full_look = min(self._next_full_look, monotonic() + settings.lost_after_seconds)
        runs = await self._parts.flow_runs.read_runs(sorted(last_sign))
        beat = timedelta(seconds=settings.heartbeat_seconds)
        return [run for run in runs if _is_at_work(run) and run.state_at < last_sign[run.id] + beat]

    async def _unheld(self, snapshot: LivenessSnapshot) -> list[FlowRunView]:
        """Runs that have been running for a while and are in no living worker's heartbeat."""
        at_work = await self._parts.flow_runs.list_runs(states=_AT_WORK)
        at_work += await self._parts.flow_runs.list_runs(states=("scheduled",), name=AWAITING_RETRY)
        self._next_full_look = monotonic() + self._parts.settings.reconciler.interval_seconds
        held = snapshot.held
        return [run for run in at_work if run.id not in held and self._has_settled(run)]

    def _has_settled(self, run: FlowRunView) -> bool:
        """Its state is so old that whoever works on it has sent a heartbeat since."""
        patience = _STARTING if run.own_process else self._parts.workers.lost_after
        return run.state_at < utc_now() - patience

    async def act(self, run: FlowRunView) -> bool:
        if run.state == "cancelling":
            await self._end(run, self._parts.flow_runs.mark_cancelled, _GONE)
            log.warning(
                "flow run %s, which was to be cancelled when its worker died, is cancelled", run.id
            )
            return True
        if await runs_again(self._parts, run):
            return await reschedule(self._parts, run, _GONE)
        reason = f"it has lost its worker more than {RESCHEDULES_MAX} times"
        crashed = replace(run, state="crashed", state_name="Crashed", message=reason)
        await self._end(crashed, self._parts.flow_runs.mark_crashed, reason)
        log.error("flow run %s does not run again: %s", run.id, reason)
        return True

    async def look(self) -> int:
        """As for every drift; then the records of dead workers go."""
        repaired = await super().look()
        for worker in self._dead:
            await self._parts.store.delete(ids.SYSTEM_TENANT, ProcessRecord, worker.id)
        return repaired

    async def _end(
        self, run: FlowRunView, mark: Callable[[str, str], Awaitable[None]], reason: str
    ) -> None:
        """What the run holds ends as it does, and Prefect shows the end."""
        for stored in await left_open(self._parts, run):
            await end(self._parts, stored, run)
        with suppress(NotFound):
            await mark(run.id, reason)


def _is_at_work(run: FlowRunView) -> bool:
    """Between two tries, a run is its worker's alone, too: no other picks it up."""
    return run.state in _AT_WORK or run.state_name == AWAITING_RETRY
