"""The Prefect worker type `in-process`: many async flow runs in one warm process, side by side on
one event loop.

`prefect worker start --pool NAME --type in-process` finds it through the entry point group
`prefect.collections`; `python -m deployments.worker.in_process_worker` serves the pool of our own
settings.
"""

import argparse
import asyncio
import logging
import signal
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from types import ModuleType
from typing import Any

import httpx
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.context import AsyncClientContext, SyncClientContext
from prefect.exceptions import Abort, ObjectNotFound, Pause
from prefect.settings import (
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_WORKER_QUERY_SECONDS,
    get_current_settings,
    temporary_settings,
)
from prefect.states import Cancelled
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from blocks.adapters.prefect.clock import synchronized_with_server_clock
from blocks.adapters.prefect.flow_runs import WORKER_TYPE
from blocks.clock import utc_now
from blocks.observability.log_context import log_context
from blocks.ports import DeclaredOtherwise, EventBus, RecordStore, Unavailable
from blocks.processes.heartbeat import Heartbeat
from blocks.processes.memory import memory_megabytes, spare_the_collector
from blocks.processes.metrics import MEMORY_DRAINS
from blocks.processes.priority import work_in_the_background
from blocks.processes.process_port import ProcessPort
from blocks.processes.readiness import Probes
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from blocks.signals import FLOW_RUNS_SCHEDULED, RECONCILER_HINT
from deployments.logs import configure_logging_of
from deployments.worker.active_runs import ActiveRuns
from deployments.worker.chores import repeat
from deployments.worker.deployed_flows import DeployedFlows
from deployments.worker.in_process_engine import (
    InProcessFlowRunEngine,
    engine_for,
    signals_left_to_the_worker,
)
from deployments.worker.loop_watchdog import LoopWatchdog
from deployments.worker.standstill import Standstill

log = logging.getLogger("deployments.worker.in_process_worker")

POLL_SECONDS = 3.0
_POLL_GAP_SECONDS = 0.1
"""Between two polls on signals: each costs Prefect's server as much as moving a run on by one
state.
"""

_LEFT_TO_OTHERS_SECONDS = 1.0
"""So long a run that was dispatched a moment ago is left to the worker that got its signal."""

OUTGROWN_EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: nothing is wrong with the command, start it again."""

_RECONNECT_SECONDS = 5.0
_POLLS_WITHIN_SECONDS = 30.0
"""It asks every three seconds; when Prefect does not answer, the base class backs off."""


class InProcessResult(BaseWorkerResult):
    """The run has ended; its state is reported by Prefect's engine."""


class InProcessWorker(BaseWorker[BaseJobConfiguration, BaseVariables, InProcessResult]):
    """Claims runs of a work pool and carries them out in this process.

    Per run Prefect sees: pending (the claim), then the states of the engine. Everything a run would
    open for itself (HTTP clients, web sockets, heartbeat threads, signal handlers) exists once, for
    as long as the worker is set up.
    """

    type = WORKER_TYPE
    _description = (
        "Runs async flows side by side in the worker's own process. For flows that mostly wait."
    )

    def __init__(self, *args: Any, settings: Settings | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings or load_settings()
        self.active_runs = ActiveRuns()
        self._deployed_flows = DeployedFlows()
        self._sign_of_life: Heartbeat
        self._chores: list[asyncio.Task[None]] = []
        self._bus: EventBus | None = None
        self._store: RecordStore | None = None
        self._polled_at = float("-inf")
        self._standstill = Standstill(self._settings.worker.lost_after_seconds)
        self._polling = asyncio.Lock()
        self._wake = asyncio.Event()
        self._signaled: set[str] = set()
        """The runs of the signals that came since its last poll; "" is of all runs."""
        self._stopping = asyncio.Event()
        self.has_outgrown = asyncio.Event()
        """Set once it holds more memory than it may."""
        self._must_end = asyncio.Event()
        self._refusal: DeclaredOtherwise | None = None

    # --- life -------------------------------------------------------------------------------------

    async def setup(self) -> None:
        """The worker is ready to claim runs, and what its runs share is open."""
        self._exit_stack.enter_context(signals_left_to_the_worker())
        # The base class waits for a server that is not up yet; the version check would not.
        with temporary_settings({PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}):
            await self._exit_stack.enter_async_context(AsyncClientContext.get_or_create())
            self._exit_stack.enter_context(SyncClientContext.get_or_create())
        self._exit_stack.push_async_callback(_close_what_flows_opened)
        await super().setup()
        await self._exit_stack.enter_async_context(synchronized_with_server_clock(self.client))
        self._exit_stack.enter_context(LoopWatchdog(log))
        store = self._store = await self._exit_stack.enter_async_context(open_store(self._settings))
        self._sign_of_life = await self._exit_stack.enter_async_context(
            Heartbeat(
                store,
                "worker",
                every_seconds=self._settings.worker.heartbeat_seconds,
                flow_run_ids=self.active_runs.ids,
            )
        )
        self._start_chores()
        spare_the_collector()

    async def start(self, *args: Any, **kwargs: Any) -> None:
        """Serves until it is cancelled, or until it has outgrown its memory: then it drains, and
        this returns. Raises `DeclaredOtherwise`: it cannot publish on this broker.

        It polls every three seconds under Prefect's command line, too, unless
        `PREFECT_WORKER_QUERY_SECONDS` sets another interval.
        """
        serving = asyncio.current_task()
        assert serving
        watching = asyncio.create_task(_cancel_when(self._must_end, serving))
        try:
            with temporary_settings(set_defaults={PREFECT_WORKER_QUERY_SECONDS: POLL_SECONDS}):
                await super().start(*args, **kwargs)
        except asyncio.CancelledError:
            if not self._must_end.is_set():
                raise
            serving.uncancel()
            if self._refusal:
                raise self._refusal from None
        finally:
            watching.cancel()

    async def teardown(self, *exc_info: Any) -> None:
        """Active runs had `worker.drain_seconds` to finish; what was left ended Crashed, "worker
        stopped".
        """
        self._stopping.set()
        if flows := _what_flows_opened():
            flows.take_no_more()
        if len(self.active_runs):
            seconds = self._settings.worker.drain_seconds
            log.info("Stopping: %d flow runs have %g s to finish", len(self.active_runs), seconds)
            await self.active_runs.drain(seconds)
            if self._bus:  # the reconciler reschedules what was left at once
                await self._bus.broadcast(RECONCILER_HINT, b"")
        for chore in self._chores:
            chore.cancel()
        await super().teardown(*exc_info)

    # --- readiness --------------------------------------------------------------------------------

    def probes(self) -> Probes:
        """The conditions under which this worker claims runs and carries them out."""
        return {
            "work pool": self._polls,
            "broker": self._is_listening,
            "database": self._reaches_the_store,
            "executions": self._ends_in_time,
        }

    async def _polls(self) -> None:
        silent = monotonic() - self._polled_at
        if self._stopping.is_set() or silent > _POLLS_WITHIN_SECONDS:
            raise Unavailable(
                "it is stopping" if self._stopping.is_set() else "it does not ask Prefect for work"
            )

    async def _is_listening(self) -> None:
        if self._bus is None:
            raise Unavailable("it is not connected")
        await self._bus.ping()

    async def _reaches_the_store(self) -> None:
        if self._store is None:
            raise Unavailable("it is not open yet")
        await self._store.ping()

    async def _ends_in_time(self) -> None:
        """Raises `Unavailable` if a run of this process is past its deadline and margin."""
        if (flows := _what_flows_opened()) and (late := flows.overdue()):
            raise Unavailable(f"{len(late)} past their deadline, among them {late[0]}")

    # --- beside the runs --------------------------------------------------------------------------

    def _start_chores(self) -> None:
        every = self._settings.worker.heartbeat_seconds
        self._standstill.look()
        chores = [
            repeat("Polling on a signal", self._poll_when_woken, _POLL_GAP_SECONDS, log),
            repeat("Listening for signals", self._listen, _RECONNECT_SECONDS, log),
            repeat(
                "Watching the runs' states", lambda: self.active_runs.watch(self.client), every, log
            ),
            repeat("Watching the clock", self._let_go_after_a_standstill, every, log),
            repeat("Watching memory", self._watch_memory, every, log),
        ]
        if frequency := get_current_settings().flows.heartbeat_frequency:
            chores.append(repeat("Heartbeats", self.active_runs.emit_heartbeats, frequency, log))
        self._chores = [asyncio.create_task(chore) for chore in chores]

    async def _listen(self) -> None:
        try:
            await self._listen_for_signals()
        except DeclaredOtherwise as error:
            self._refusal = error
            self._must_end.set()
            raise

    async def _listen_for_signals(self) -> None:
        async def wake(flow_run_id: bytes) -> None:
            self._signaled.add(flow_run_id.decode())
            self._wake.set()

        async with open_bus(self._settings, self.name) as bus:
            self._bus = bus
            try:
                async with bus.listen(FLOW_RUNS_SCHEDULED, wake, group=self._signal_group()):
                    await self._stopping.wait()  # what is scheduled from then on is for others
                await asyncio.get_running_loop().create_future()
            finally:
                self._bus = None

    def _signal_group(self) -> str | None:
        """One worker of the pool polls for each signal: the poll of every other would find the same
        runs. One with a limit may have no room when the signal is its, and hears all.
        """
        return None if self._limiter else self._work_pool_name

    async def _poll_when_woken(self) -> None:
        """Signals that come during a poll are answered by one poll after it."""
        await self._wake.wait()
        self._wake.clear()
        await self.get_and_submit_flow_runs()

    async def _let_go_after_a_standstill(self) -> None:
        """Releases runs unreported after a standstill: others may have claimed them meanwhile."""
        if seconds := self._standstill.look():
            log.warning(
                "This worker stood still for %.0f s: it lets go of %d flow runs",
                seconds,
                len(self.active_runs),
            )
            self.active_runs.let_go()

    async def _watch_memory(self) -> None:
        """Past its limit, this worker takes no more runs, drains and ends; see `start`."""
        limit = self._settings.worker.memory_max_megabytes
        if not limit or self.has_outgrown.is_set() or (megabytes := memory_megabytes()) <= limit:
            return
        log.error(
            "This worker holds %.0f MB of memory, and %d are its limit "
            "(WORKER_MEMORY_MAX_MEGABYTES): it takes no more runs, drains and ends to be restarted",
            megabytes,
            limit,
        )
        MEMORY_DRAINS.inc()
        self._stopping.set()
        self.has_outgrown.set()
        self._must_end.set()

    # --- runs -------------------------------------------------------------------------------------

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """One poll at a time, whether a signal or the interval asked for it."""
        async with self._polling:
            submitted = [] if self._stopping.is_set() else await super().get_and_submit_flow_runs()
            self._polled_at = monotonic()
            return submitted

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        """What is due by the server's clock, where the base class asks by this machine's, but for
        what another worker has the signal of and claims meanwhile.
        """
        signaled, self._signaled = self._signaled, set()
        try:
            due = await self.client.get_scheduled_flow_runs_for_work_pool(
                work_pool_name=self._work_pool_name,
                work_queue_names=list(self._work_queues),
                scheduled_before=utc_now() + timedelta(seconds=self._prefetch_seconds),
            )
        except ObjectNotFound:
            return []  # the pool is not there yet
        known = {str(found.flow_run.id) for found in due}
        signaled |= self._signaled & known  # these signals came during the poll
        self._signaled -= known
        others_since = utc_now() - timedelta(seconds=_LEFT_TO_OTHERS_SECONDS)
        return [
            found
            for found in due
            if signaled & {"", str(found.flow_run.id)}
            or not _is_signaled(found, since=others_since)
        ]

    async def _submit_run(self, flow_run: FlowRun) -> None:
        """The run has been carried out, or left to others; its slot is free again."""
        try:
            if engine := await self._engine_for(flow_run):
                with self.active_runs.holding(flow_run, engine), log_context(**_known_of(flow_run)):
                    await self._claim_and_carry_out(engine, flow_run)
        finally:
            self._free_the_slot_of(flow_run)

    async def _engine_for(self, flow_run: FlowRun) -> InProcessFlowRunEngine | None:
        try:
            flow = await self._deployed_flows.flow_of(flow_run, self.client)
            return engine_for(flow, flow_run)
        except httpx.HTTPError as error:
            log.warning("Flow run %r waits for the next poll: %s", flow_run.name, error)
        except Exception as error:
            log.error("Flow run %r cannot be run here: %s", flow_run.name, _named(error))
            await self._propose_failed_state(flow_run, error)
        return None

    async def _claim_and_carry_out(self, engine: InProcessFlowRunEngine, flow_run: FlowRun) -> None:
        """Several workers may serve one pool: only the first to propose Pending gets the run."""
        if self._stopping.is_set() or not await self._propose_pending_state(flow_run):
            return
        await self._sign_of_life.announce()
        try:
            state = await engine.carry_out()
            if state.is_cancelling():  # asked to cancel when its flow had nothing left to do
                await self.client.set_flow_run_state(flow_run.id, Cancelled(), force=True)
        except Pause:
            log.info("Flow run %r is suspended", flow_run.name)
        except Abort as refusal:
            log.info("Flow run %r was refused by Prefect: %s", flow_run.name, refusal)
        except asyncio.CancelledError:
            if engine.stop is None:
                raise
            log.info("Flow run %r was ended: %s", flow_run.name, engine.stop.value)
        except Exception as error:
            log.error("Flow run %r broke off in the engine: %s", flow_run.name, _named(error))
            await self._propose_crashed_state(flow_run, f"The engine broke off: {_named(error)}")

    def _free_the_slot_of(self, flow_run: FlowRun) -> None:
        if self._limiter and self._limiter.available_tokens == 0:
            self._signaled.add("")  # others may be waiting for this slot, their signals are used up
            self._wake.set()
        self._submitting_flow_run_ids.discard(flow_run.id)
        self._release_limit_slot(flow_run.id)

    # --- what Prefect's base class asks for -------------------------------------------------------

    async def run(
        self, flow_run: FlowRun, configuration: BaseJobConfiguration, task_status: Any = None
    ) -> InProcessResult:
        """The run has been carried out here."""
        await self._submit_run(flow_run)
        return InProcessResult(identifier=str(flow_run.id), status_code=0)

    async def _setup_cancellation_observer(self) -> None:
        """No web socket for cancelling: `_watch` sees it."""

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        """Nothing to configure per run: all share this process. (Prefect refuses an empty job
        configuration.)
        """
        return {"job_configuration": {"env": {}}, "variables": {"type": "object", "properties": {}}}


async def run_worker(
    settings: Settings, *, pool: str, limit: int | None = None, port: ProcessPort | None = None
) -> None:
    """Serves the pool until SIGTERM or SIGINT, then drains; a second signal cuts the drain short.
    It has a process to itself, of `worker.niceness`.

    Raises `SystemExit` with `OUTGROWN_EXIT_CODE` after a drain because of its memory: its
    supervisor restarts it.
    """
    work_in_the_background(settings.worker.niceness)
    worker = InProcessWorker(work_pool_name=pool, limit=limit, settings=settings)
    if port:
        port.probes = worker.probes()
    serving = asyncio.create_task(worker.start(printer=log.info))
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving
    if worker.has_outgrown.is_set():
        sys.exit(OUTGROWN_EXIT_CODE)


async def _cancel_when(set: asyncio.Event, serving: asyncio.Task[None]) -> None:
    await set.wait()
    serving.cancel()


def main() -> None:
    """The command line of a worker process."""
    settings = load_settings()
    parser = argparse.ArgumentParser(
        prog="python -m deployments.worker.in_process_worker", description=__doc__
    )
    parser.add_argument(
        "--pool", default=settings.prefect.work_pool, help="work pool to serve (%(default)s)"
    )
    parser.add_argument("--limit", type=int, help="most flow runs at once (no limit)")
    arguments = parser.parse_args()
    configure_logging_of(settings, "worker")
    asyncio.run(run_worker(settings, pool=arguments.pool, limit=arguments.limit))


def _is_signaled(found: WorkerFlowRunResponse, *, since: datetime) -> bool:
    """Whether one of our processes has scheduled this run since then; schedules and people do so
    without a key, and without a signal.
    """
    run = found.flow_run
    is_ours = bool(run.idempotency_key) and not run.auto_scheduled
    return is_ours and run.expected_start_time is not None and run.expected_start_time > since


def _known_of(flow_run: FlowRun) -> dict[str, str]:
    """The fields of every log line of the run; of several executions, each logs its own id."""
    known = {"flow_run_id": str(flow_run.id), "tenant_id": flow_run.parameters.get("tenant_id")}
    match flow_run.parameters.get("execution_ids"):
        case [str(only)]:
            known["execution_id"] = only
    return {name: value for name, value in known.items() if isinstance(value, str)}


async def _close_what_flows_opened() -> None:
    if flows := _what_flows_opened():
        await flows.close()


def _what_flows_opened() -> ModuleType | None:
    """`flows.shared.runtime`, once a flow was imported here."""
    return sys.modules.get("flows.shared.runtime")


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    # Prefect imports this module by its name to find the worker type; it must not get a second
    # copy.
    sys.modules["deployments.worker.in_process_worker"] = sys.modules["__main__"]
    main()
