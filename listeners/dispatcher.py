"""Pending executions become flow runs: alone when the system is idle, together when it is behind, each tenant in turn.

Nagle's idea: while a tenant has a flow run that no worker has started yet, its further executions wait and then go out
together. Which run may really do an execution is settled by the run's claim, so dispatching one twice does no harm.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from datetime import timedelta
from time import monotonic
from uuid import uuid4

from blocks import signals
from blocks.clock import utc_now
from blocks.contracts import ids
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.ports import EventBus, FlowRuns, NotFound, RecordStore, Unavailable
from blocks.queries import every, tenants
from blocks.settings import Dispatch

log = logging.getLogger(__name__)

_UNSTARTED_PATIENCE_SECONDS = 5.0
"""A run whose start nobody told us of counts as started after this long: a lost signal costs only this."""

_REDISPATCH_SECONDS = 60.0
"""A pending execution that was dispatched is dispatched again after this long without having been claimed."""


class Dispatcher:
    """Gives pending executions to Prefect. `submit` never waits; `run` works until it is cancelled."""

    def __init__(self, settings: Dispatch, store: RecordStore, bus: EventBus, flow_runs: FlowRuns) -> None:
        self._settings = settings
        self._store = store
        self._bus = bus
        self._flow_runs = flow_runs
        self._queues: OrderedDict[str, deque[str]] = OrderedDict()
        self._queued: set[str] = set()
        self._dispatched: dict[str, float] = {}
        self._unstarted: dict[str, tuple[str, float]] = {}
        self._changed = asyncio.Event()

    def submit(self, tenant_id: str, execution_id: str) -> None:
        """The execution will be dispatched, once."""
        if execution_id in self._queued:
            return
        self._queued.add(execution_id)
        self._queues.setdefault(tenant_id, deque()).append(execution_id)
        self._changed.set()

    async def run(self) -> None:
        """Dispatches what is submitted and what a sweep of the records finds, until cancelled."""
        async with self._bus.listen(signals.FLOW_RUN_STARTED, self._started), asyncio.TaskGroup() as group:
            group.create_task(self._dispatch_for_ever())
            group.create_task(self._sweep_for_ever())

    # --- dispatch ----------------------------------------------------------------------------------------------------

    async def _dispatch_for_ever(self) -> None:
        while True:
            tenant_id = self._next_tenant()
            if tenant_id is None:
                await self._wait_for_change()
                continue
            batch = self._take_batch(tenant_id)
            try:
                await self._dispatch(tenant_id, batch)
            except (Unavailable, NotFound) as error:
                log.warning("cannot dispatch, %d executions wait: %s", len(self._queued) + len(batch), error)
                for execution_id in batch:
                    self.submit(tenant_id, execution_id)
                await asyncio.sleep(1)

    def _next_tenant(self) -> str | None:
        """The tenant whose turn it is, of those that have work and no flow run waiting for a worker."""
        self._forget_unstarted()
        if len(self._unstarted) >= self._settings.runs_in_flight_max:
            return None
        busy = {tenant_id for tenant_id, _ in self._unstarted.values()}
        return next((tenant_id for tenant_id in self._queues if tenant_id not in busy), None)

    def _take_batch(self, tenant_id: str) -> list[str]:
        """The tenant's oldest executions; the tenant goes to the end of the line."""
        waiting = self._queues[tenant_id]
        batch = [waiting.popleft() for _ in range(min(len(waiting), self._settings.batch_max))]
        self._queued.difference_update(batch)
        if waiting:
            self._queues.move_to_end(tenant_id)
        else:
            del self._queues[tenant_id]
        return batch

    async def _dispatch(self, tenant_id: str, execution_ids: list[str]) -> None:
        # The key is drawn, not computed: a repeated call of the client must not double the run, but the same executions
        # may have to be dispatched anew after a run of theirs was lost.
        run_id = await self._flow_runs.start(
            WORKFLOW,
            tenant_id,
            execution_ids,
            key=ids.flow_run_key(execution_ids, f"dispatch-{uuid4()}"),
            name=_name(execution_ids),
        )
        now = monotonic()
        self._unstarted[run_id] = (tenant_id, now)
        self._dispatched |= dict.fromkeys(execution_ids, now)
        await self._bus.broadcast(signals.FLOW_RUNS_SCHEDULED, b"")

    async def _wait_for_change(self) -> None:
        try:
            async with asyncio.timeout(_UNSTARTED_PATIENCE_SECONDS / 2):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    async def _started(self, body: bytes) -> None:
        if self._unstarted.pop(body.decode(), None):
            self._changed.set()

    def _forget_unstarted(self) -> None:
        too_old = monotonic() - _UNSTARTED_PATIENCE_SECONDS
        for run_id in [id for id, (_, since) in self._unstarted.items() if since < too_old]:
            del self._unstarted[run_id]

    # --- sweep -------------------------------------------------------------------------------------------------------

    async def _sweep_for_ever(self) -> None:
        """What was accepted and not dispatched, by a listener that died or while Prefect was away, is dispatched."""
        age = timedelta(0)
        while True:
            try:
                await self._sweep(age)
                age = timedelta(seconds=self._settings.sweep_seconds)
            except Unavailable as error:
                log.warning("cannot look for pending executions: %s", error)
            await asyncio.sleep(self._settings.sweep_seconds)

    async def _sweep(self, age: timedelta) -> None:
        self._forget_dispatched()
        settled_before = utc_now() - age
        for tenant_id in await tenants(self._store):
            async for stored in every(self._store, tenant_id, ExecutionRecord, {"status": "pending"}):
                if stored.record.created_at <= settled_before and stored.record.id not in self._dispatched:
                    self.submit(tenant_id, stored.record.id)

    def _forget_dispatched(self) -> None:
        too_old = monotonic() - _REDISPATCH_SECONDS
        self._dispatched = {id: since for id, since in self._dispatched.items() if since >= too_old}


def _name(execution_ids: list[str]) -> str:
    return execution_ids[0] if len(execution_ids) == 1 else f"{len(execution_ids)} analyses from {execution_ids[0]}"
