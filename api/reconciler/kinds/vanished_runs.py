"""Executions that are running in no flow run: Prefect has lost it, or has it as completed.

The run was deleted in Prefect's UI, Prefect's database was lost or restored from a backup, or a
crash came between releasing an execution and starting its next run.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from time import monotonic
from uuid import uuid4

from api.reconciler.drift import Drift, Parts
from blocks import signals
from blocks.clock import utc_now
from blocks.contracts import ids, workflows
from blocks.contracts.records import ExecutionRecord
from blocks.executions import transitions
from blocks.executions.carried import carried_by, unended_runs
from blocks.executions.run_names import run_name
from blocks.ports import FlowRunView, Stale, Stored
from blocks.queries import every, tenants

log = logging.getLogger(__name__)

GRACE = timedelta(seconds=15)
"""An execution changes hands in between: a record or a run that is younger is left alone."""

_EVERY_AWAITING_SECONDS = 60.0
"""Tens of thousands may await a person, for weeks; a minute's delay does no harm."""

Group = list[Stored[ExecutionRecord]]
"""Executions of one tenant and workflow that go on together."""


class VanishedRuns(Drift[Group]):
    """They go on in a new flow run from their recorded steps; the earlier run can write no more."""

    kind = "vanished_run"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._next_look_at_all = 0.0

    async def find(self) -> list[Group]:
        open_ones = await self._under_way()
        if not open_ones:
            return []
        held = (await self._parts.workers.call()).held  # a living worker finishes these
        named = {
            stored.record.flow_run_id for stored in open_ones if stored.record.flow_run_id
        } - held
        known = {run.id: run for run in await self._parts.flow_runs.read_runs(sorted(named))}
        gone = {run_id for run_id in named if run_id not in known or _is_over(known[run_id])}
        without = [stored for stored in open_ones if stored.record.flow_run_id is None]
        started = await self._started() if without else frozenset()
        return _groups(
            stored
            for stored in open_ones
            if stored.record.flow_run_id in gone
            or (stored.record.flow_run_id is None and stored.record.id not in started)
        )

    async def act(self, group: Group) -> bool:
        given_up = [record for stored in group if (record := await self._given_up(stored))]
        if not given_up:
            return False
        first, execution_ids = given_up[0], [record.id for record in given_up]
        run_id = await self._parts.flow_runs.start(
            first.workflow,
            first.tenant_id,
            execution_ids,
            # Drawn: a computed key could be that of a run which has ended without having taken them
            # up.
            key=ids.flow_run_key(execution_ids, f"vanished-{uuid4()}"),
            name=run_name(first.workflow, {one.id: one.subject for one in given_up}),
        )
        await self._parts.bus.broadcast(signals.FLOW_RUNS_SCHEDULED, run_id.encode())
        log.warning(
            "%d executions from %s go on in flow run %s: Prefect has lost theirs",
            len(given_up),
            first.id,
            run_id,
        )
        return True

    async def look(self) -> int:
        """As for every drift. Those that await a person are seen to when a look at them has not
        failed.
        """
        at_all = self._is_time_for_all
        repaired = await super().look()
        if at_all:
            self._next_look_at_all = monotonic() + _EVERY_AWAITING_SECONDS
        return repaired

    @property
    def _is_time_for_all(self) -> bool:
        return monotonic() >= self._next_look_at_all

    async def _under_way(self) -> Group:
        """Those that run, and now and then those that await a person, too."""
        settled_before = utc_now() - GRACE
        statuses = ("running", "awaiting_approval") if self._is_time_for_all else ("running",)
        return [
            stored
            for tenant_id in await tenants(self._parts.store)
            async for stored in every(
                self._parts.store,
                tenant_id,
                ExecutionRecord,
                {"status": statuses},
                skips_unreadable=True,
            )
            if stored.record.updated_at <= settled_before
            and workflows.is_dispatched(stored.record.workflow)
        ]

    async def _started(self) -> frozenset[str]:
        """The executions that a run has just claimed or is about to claim."""
        return carried_by(await unended_runs(self._parts.flow_runs))

    async def _given_up(self, stored: Stored[ExecutionRecord]) -> ExecutionRecord | None:
        """The execution, free for another run to claim; None if it has moved after all."""
        if stored.record.flow_run_id is None:
            return stored.record
        try:
            return (await transitions.change(self._parts.store, stored, flow_run_id=None)).record
        except Stale:
            return None


def _is_over(run: FlowRunView) -> bool:
    """Other ways to end are `EndedRuns`'s."""
    return run.state == "completed" and run.state_at <= utc_now() - GRACE


def _groups(found: Iterable[Stored[ExecutionRecord]]) -> list[Group]:
    """Those that ran together go on together; one that awaits a person needs a run of its own."""
    groups: dict[tuple[str, str, str], Group] = defaultdict(list)
    for stored in found:
        record = stored.record
        shares = record.status == "running" and record.flow_run_id
        groups[record.tenant_id, record.workflow, shares or record.id].append(stored)
    return list(groups.values())
