"""Dispatches pending executions as flow runs: singly when idle, batched under load, and fairly.

Nagle's idea: while a tenant has a flow run that no worker has started yet, its further executions
wait and then go out together. While one of its runs is open, they join it instead. Each
dispatcher broadcasts what it has dispatched, so that what several listeners have in hand is in one
run. Which run may really do an execution is settled by the run's claim, so dispatching one twice
does no harm.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import msgspec

from blocks import signals
from blocks.clock import utc_now
from blocks.contracts import ids, workflows
from blocks.contracts.records import ExecutionRecord
from blocks.executions.carried import carried_by, unended_runs
from blocks.executions.run_names import run_name
from blocks.ports import (
    Between,
    EventBus,
    FlowRuns,
    NotFound,
    RecordStore,
    Unavailable,
    UnreadableRecord,
)
from blocks.processes import fault_points
from blocks.processes.duties import again_and_again
from blocks.processes.ending import ended
from blocks.queries import every, tenants
from blocks.settings import Dispatch
from blocks.tenants.dispatch_policy import default_policy, read_policy
from listeners import metrics
from listeners.dispatch.fair_queue import Entry, FairQueue, Lane
from listeners.dispatch.open_runs import KnownRun, OpenRuns, Sent
from listeners.dispatch.running_limits import RunningLimits
from listeners.dispatch.unstarted_runs import UnstartedRun, UnstartedRuns

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""How often limits and runs without a start signal are checked while something waits."""

_REDISPATCH_SECONDS = 60.0
"""A pending execution that was dispatched is dispatched again after this long without having been
claimed.
"""


_ANSWER_SECONDS = 10.0
"""So long without an answer, dispatch counts as held up; the request itself goes on."""

_SAME_RUN_TRIES = 10
"""How often a flow run is requested before its executions go back into the queue."""


class _Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one flow run will carry. Under its key Prefect makes one run, however
    often requested.
    """

    lane: Lane
    entries: list[Entry]
    key: str
    tries: int = 1

    @property
    def execution_ids(self) -> list[str]:
        return _execution_ids(self.entries)

    @property
    def subjects(self) -> dict[str, str]:
        return {entry.execution_id: entry.subject for entry in self.entries}


class Dispatcher:
    """Gives pending executions to Prefect, or to runs that are open. `submit` never waits; `run`
    works until it is cancelled.
    """

    def __init__(
        self,
        settings: Dispatch,
        store: RecordStore,
        bus: EventBus,
        flow_runs: FlowRuns,
    ) -> None:
        self._id = str(uuid4())
        self._settings = settings
        self._store = store
        self._bus = bus
        self._flow_runs = flow_runs
        self._queue = FairQueue(default_policy())
        self._unstarted = UnstartedRuns()
        self._open_runs = OpenRuns()
        self._limits = RunningLimits(store)
        self._dispatched: dict[str, float] = {}
        self._starting: _Batch | None = None
        self._refusal: str | None = None
        self._asking_since: float | None = None
        self._reasons: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._may_join = asyncio.Event()
        self._policy_changed = asyncio.Event()
        metrics.WAITING.set_function(self._waiting)
        metrics.HELD_UP.set_function(lambda: self.held_up_by is not None)
        metrics.UNSTARTED.set_function(lambda: len(self._unstarted))

    def submit(
        self, lane: Lane, execution_id: str, priority: int = 0, *, subject: str = ""
    ) -> None:
        """The execution will be dispatched, once; its flow run is named for its subject."""
        self._queue.put(lane, execution_id, priority, subject=subject)
        self._wake()

    async def run(self) -> None:
        """Dispatches what is submitted and what a sweep of the records finds, until cancelled.

        Raises `UnreadableRecord` for a policy that cannot be read: it may hold limits. While it is
        unavailable at the start, nothing is dispatched.
        """
        async with (
            self._bus.listen(signals.FLOW_RUN_STARTED, self._started),
            self._bus.listen(signals.FLOW_RUN_DISPATCHED, self._dispatched_elsewhere),
            self._bus.listen(signals.FLOW_RUN_OPEN, self._run_opened),
            self._bus.listen(signals.FLOW_RUN_CLOSED, self._run_closed),
            self._bus.listen(signals.EXECUTIONS_JOINED, self._joined),
            self._bus.listen(signals.EXECUTION_OPENED, self._opened),
            self._bus.listen(signals.DISPATCH_POLICY_CHANGED, self._policy_has_changed),
        ):
            await self._read_first_policy()
            # Not a TaskGroup, which waits without a limit for a task that does not heed its
            # cancellation.
            working = [
                asyncio.create_task(self._dispatch_for_ever(), name="dispatching"),
                asyncio.create_task(self._join_for_ever(), name="sending to open runs"),
                asyncio.create_task(self._sweep_for_ever(), name="sweeping"),
                asyncio.create_task(self._follow_policy(), name="following the policy"),
            ]
            try:
                await asyncio.gather(*working)
            finally:
                await ended(*working)

    @property
    def held_up_by(self) -> str | None:
        """Why what waits is not dispatched; None: nothing holds it up."""
        silent = monotonic() - self._asking_since if self._asking_since is not None else 0.0
        if silent > _ANSWER_SECONDS:
            return f"Prefect has not answered for {silent:.0f} s"
        return self._refusal

    # --- dispatch ---------------------------------------------------------------------------------

    async def _dispatch_for_ever(self) -> None:
        while True:
            try:
                await self._look()
                batch = self._starting = self._starting or self._next_batch()
                if batch is not None:
                    await self._start(batch)
                self._refusal = None
                if batch is None:
                    await self._wait_for(self._changed, watching=len(self._queue) > 0)
            except (Unavailable, NotFound) as error:
                self._refusal = str(error)
                log.warning("cannot dispatch, %d executions wait: %s", self._waiting(), error)
                await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        """What the next choice depends on is up to date: the limits, and which runs are open."""
        await self._limits.refresh(self._queue.policy, self._queue.tenants(), self._on_their_way)
        self._open_runs.forget_old()

    def _on_their_way(self) -> Counter[str]:
        """How many executions were dispatched and do not run yet, by tenant."""
        on_their_way = self._unstarted.executions() + self._open_runs.executions()
        if self._starting:
            on_their_way[self._starting.lane.tenant_id] += len(self._starting.entries)
        return on_their_way

    def _next_batch(self) -> _Batch | None:
        taken = self._queue.take(self._room)
        if taken is None:
            return None
        lane, entries = taken
        # Before Prefect is asked: an open run must not get the same room meanwhile.
        self._limits.take(lane.tenant_id, len(entries))
        execution_ids = _execution_ids(entries)
        key = ids.flow_run_key(execution_ids, self._reason(execution_ids))
        return _Batch(lane=lane, entries=entries, key=key)

    def _waiting(self) -> int:
        return len(self._queue) + len(self._starting.entries if self._starting else ())

    def _room(self, lane: Lane) -> int:
        """How many executions the lane may get in its next flow run; none while one of its runs is
        not started, or an open one has not taken what was sent to it.
        """
        if (
            self.open_run_of(lane)
            or self._is_held_up(lane)
            or len(self._unstarted) >= self._settings.runs_in_flight_max
        ):
            return 0
        return min(self._batch_max(lane), self._limits.room(self._queue.policy, lane.tenant_id))

    def _room_to_join(self, lane: Lane) -> int:
        """How many executions of the lane its open run may get now; none if it has none."""
        run = self.open_run_of(lane)
        if run is None or self._is_held_up(lane):
            return 0
        room = self._batch_max(lane) - run.executions
        return min(room, self._limits.room(self._queue.policy, lane.tenant_id))

    def _is_held_up(self, lane: Lane) -> bool:
        return lane in self._unstarted or self._open_runs.is_sending(lane)

    def _batch_max(self, lane: Lane) -> int:
        if not workflows.workflow_named(lane.workflow).batched:
            return 1
        return self._queue.policy.batch_max or self._settings.batch_max

    def open_run_of(self, lane: Lane) -> KnownRun | None:
        """The open run that what waits in this lane joins: it has room for one at least."""
        return self._open_runs.of(lane, self._batch_max(lane))

    async def _send(self, lane: Lane, entries: list[Entry]) -> None:
        """The lane's open run gets these, and has some seconds to take them."""
        run, execution_ids = self.open_run_of(lane), _execution_ids(entries)
        assert run, "only lanes with an open run have room to join"
        for execution_id in execution_ids:
            self._reasons.pop(execution_id, None)
        self._dispatched |= dict.fromkeys(execution_ids, monotonic())
        self._open_runs.sent(run.id, Sent(lane=lane, entries=entries))
        self._limits.take(lane.tenant_id, len(execution_ids))
        sent = signals.Dispatched(self._id, run.id, *lane, execution_ids, joins=True)
        with suppress(Unavailable):  # then it is taken back, as if it had been lost
            await self._bus.broadcast(signals.FLOW_RUN_DISPATCHED, msgspec.json.encode(sent))

    async def _join_for_ever(self) -> None:
        """Beside the dispatch of flow runs, for it needs nothing of Prefect, which may be away."""
        while True:
            try:
                await self._look()
                self._take_back()
                if taken := self._queue.take(self._room_to_join):
                    await self._send(*taken)
                else:
                    watching = len(self._queue) + len(self._open_runs) > 0
                    await self._wait_for(self._may_join, watching=watching)
            except Unavailable as error:
                log.warning("cannot send executions to open runs: %s", error)
                await asyncio.sleep(_LOOK_SECONDS)

    def _take_back(self) -> None:
        for sent in self._open_runs.take_back():
            self._put_back(sent.lane, sent.entries)

    async def _start(self, batch: _Batch) -> None:
        (tenant_id, workflow), execution_ids = batch.lane, batch.execution_ids
        name = run_name(workflow, batch.subjects)
        self._asking_since = now = monotonic()
        # Before the call: a sweep during the call to Prefect must not find them once more.
        self._dispatched |= dict.fromkeys(execution_ids, now)
        try:
            run_id = await self._flow_runs.start(
                workflow, tenant_id, execution_ids, key=batch.key, name=name
            )
        except (Unavailable, NotFound):
            self._keep(batch)
            raise
        finally:
            self._asking_since = None
        self._starting = None
        fault_points.reached("after-dispatch")
        self._unstarted.add(UnstartedRun(id=run_id, lane=batch.lane, executions=len(execution_ids)))
        dispatched = signals.Dispatched(self._id, run_id, tenant_id, workflow, execution_ids)
        await self._bus.broadcast(signals.FLOW_RUNS_SCHEDULED, run_id.encode())
        await self._bus.broadcast(signals.FLOW_RUN_DISPATCHED, msgspec.json.encode(dispatched))

    def _keep(self, batch: _Batch) -> None:
        """The same run is requested again: Prefect may have made it, and its answer was lost."""
        if batch.tries < _SAME_RUN_TRIES:
            self._starting = msgspec.structs.replace(batch, tries=batch.tries + 1)
            return
        self._starting = None
        self._put_back(batch.lane, batch.entries)

    def _put_back(self, lane: Lane, entries: Sequence[Entry]) -> None:
        self._queue.put_back(lane, entries)
        self._wake()

    def _reason(self, execution_ids: list[str]) -> str:
        """The reason for a run of these, in words that no other run has.

        They are drawn, not computed: a repeated call must not double the run, but the same
        executions may have to be dispatched again after a run of theirs was lost. For a broadcast
        that reached all dispatchers they are computed: Prefect makes one run of it.
        """
        reasons = [self._reasons.pop(execution_id, None) for execution_id in execution_ids]
        return reasons[0] if len(reasons) == 1 and reasons[0] else f"dispatch-{uuid4()}"

    async def _wait_for(self, change: asyncio.Event, *, watching: bool) -> None:
        """Returns when something was submitted or started, and now and then while something
        waits.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS if watching else None):
                await change.wait()
        change.clear()

    def _wake(self) -> None:
        self._changed.set()
        self._may_join.set()

    async def _started(self, body: bytes) -> None:
        self._has_started(body.decode())

    def _has_started(self, run_id: str) -> None:
        run = self._unstarted.pop(run_id)
        if run is None:
            return
        metrics.START_SECONDS.observe(monotonic() - run.since)
        self._wake()

    async def _joined(self, body: bytes) -> None:
        for sent in self._open_runs.taken(_ids_decoder.decode(body)):
            metrics.START_SECONDS.observe(monotonic() - sent.since)
            self._wake()

    async def _run_opened(self, body: bytes) -> None:
        run = _open_run_decoder.decode(body)
        self._open_runs.opened(run)
        self._has_started(run.flow_run_id)
        self._wake()

    async def _run_closed(self, body: bytes) -> None:
        self._open_runs.closed(body.decode())
        self._wake()

    async def _dispatched_elsewhere(self, body: bytes) -> None:
        """Another dispatcher has made a run of these, or sent them to an open one: they are not for
        this one, and neither is the turn of their lane until a run that was made has started.
        """
        run = _dispatched_decoder.decode(body)
        if run.dispatcher == self._id:
            return
        lane = Lane(run.tenant_id, run.workflow)
        self._queue.discard(lane, frozenset(run.execution_ids))
        for execution_id in run.execution_ids:
            self._reasons.pop(execution_id, None)
        self._dispatched |= dict.fromkeys(run.execution_ids, monotonic())
        executions = len(run.execution_ids)
        if run.joins:
            self._open_runs.joined(run.flow_run_id, executions)
        else:
            self._unstarted.add(UnstartedRun(id=run.flow_run_id, lane=lane, executions=executions))
        self._limits.take(run.tenant_id, executions)

    async def _opened(self, body: bytes) -> None:
        """Another process has started or retried an execution; every dispatcher is notified."""
        opened = _opened_decoder.decode(body)
        if workflows.is_dispatched(opened.workflow):
            self._reasons[opened.execution_id] = f"told-{opened.notice}"
            self.submit(
                Lane(opened.tenant_id, opened.workflow),
                opened.execution_id,
                opened.priority,
                subject=opened.subject,
            )

    # --- policy -----------------------------------------------------------------------------------

    async def _read_first_policy(self) -> None:
        """Until the policy is known, nothing is dispatched: it may hold limits."""
        while True:
            try:
                await self._read_policy()
            except Unavailable as error:
                if self._refusal is None:
                    log.warning("nothing is dispatched until the policy is known: %s", error)
                self._refusal = f"the dispatch policy is not known: {error}"
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                self._refusal = None
                return

    async def _follow_policy(self) -> None:
        """The queue applies the policy in force, at once when notified, else by the next sweep."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.sweep_seconds):
                    await self._policy_changed.wait()
            self._policy_changed.clear()
            try:
                with suppress(Unavailable):  # what was in force stays in force
                    await self._read_policy()
            except UnreadableRecord as error:
                log.error("the dispatch policy stays as it was: %s", error)

    async def _read_policy(self) -> None:
        self._queue.policy = await read_policy(self._store)
        self._wake()

    async def _policy_has_changed(self, _: bytes) -> None:
        self._policy_changed.set()

    # --- sweep ------------------------------------------------------------------------------------

    async def _sweep_for_ever(self) -> None:
        """Accepted executions that a dead listener or an outage of Prefect left are dispatched."""
        age, seconds = timedelta(0), self._settings.sweep_seconds

        async def sweep() -> None:
            nonlocal age
            await self._sweep(age)
            age = timedelta(seconds=seconds)

        await again_and_again("pending executions", sweep, seconds, log)

    async def _sweep(self, age: timedelta) -> None:
        self._forget_dispatched()
        pending = {"workflow": workflows.dispatched(), "status": "pending"}
        settled = {"created_at": Between(until=utc_now() - age)}
        found = [
            stored.record
            for tenant_id in await tenants(self._store)
            async for stored in every(
                self._store, tenant_id, ExecutionRecord, pending | settled, skips_unreadable=True
            )
            if stored.record.id not in self._dispatched
        ]
        # Runs of a listener that is gone, or of one whose broadcast was lost.
        carried = carried_by(await unended_runs(self._flow_runs)) if found else frozenset()
        for record in found:
            # Once more: it may have been dispatched while Prefect was asked.
            if record.id not in carried and record.id not in self._dispatched:
                lane = Lane(record.tenant_id, record.workflow)
                self.submit(lane, record.id, record.priority, subject=record.subject)

    def _forget_dispatched(self) -> None:
        too_old = monotonic() - _REDISPATCH_SECONDS
        self._dispatched = {id: since for id, since in self._dispatched.items() if since >= too_old}


def _execution_ids(entries: Sequence[Entry]) -> list[str]:
    return [entry.execution_id for entry in entries]


_open_run_decoder = msgspec.json.Decoder(signals.OpenRun)
_ids_decoder = msgspec.json.Decoder(list[str])
_opened_decoder = msgspec.json.Decoder(signals.Opened)
_dispatched_decoder = msgspec.json.Decoder(signals.Dispatched)
