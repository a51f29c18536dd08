"""The flow runs that a worker holds, and the requests to cancel or suspend them.

One query serves all runs, in place of a web socket for each. Prefect's events about cancelling and
suspension can be lost, states cannot.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from blocks.prefect_internals.suspension import suspend_at_next_task
from blocks.processes.metrics import ACTIVE_RUNS
from deployments.worker.in_process_engine import InProcessFlowRunEngine, Stop

_AT_WORK = [StateType.PENDING, StateType.RUNNING]

_LAST_WORDS_SECONDS = 10.0


class ActiveRuns:
    """The runs, each from just before its claim to its end."""

    def __init__(self) -> None:
        self._engines: dict[UUID, InProcessFlowRunEngine] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        ACTIVE_RUNS.set_function(lambda: len(self._engines))

    def __len__(self) -> int:
        return len(self._engines)

    def ids(self) -> list[str]:
        return [str(id) for id in self._engines]

    @contextmanager
    def holding(self, flow_run: FlowRun, engine: InProcessFlowRunEngine) -> Iterator[None]:
        """The run is one of ours while this lasts."""
        self._engines[flow_run.id] = engine
        self._idle.clear()
        try:
            yield
        finally:
            del self._engines[flow_run.id]
            if not self._engines:
                self._idle.set()

    async def watch(self, client: PrefectClient) -> None:
        """Runs that are neither pending nor running in Prefect any more have been notified."""
        if not self._engines:
            return
        moved = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                id=FlowRunFilterId(any_=list(self._engines)),
                state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=_AT_WORK)),
            ),
            # Left out, the client sends null for both, which the server refuses with 422.
            sort=FlowRunSort.ID_DESC,
            limit=200,
        )
        for flow_run in moved:
            if engine := self._engines.get(flow_run.id):
                _follow(engine, flow_run)

    async def emit_heartbeats(self) -> None:
        for engine in self._engines.values():
            if engine.is_running():
                engine.emit_heartbeat()

    def let_go(self) -> None:
        """Ends all runs without a report to Prefect: who claims them next owns their states."""
        for engine in self._engines.values():
            engine.end(Stop.SUPERSEDED)

    async def drain(self, seconds: float) -> None:
        """All runs have ended, those left after `seconds` as Crashed, "worker stopped".

        Cancelling this ends the waiting. A run that cannot report its end to Prefect in ten more
        seconds is dropped, and stays Running there.
        """
        with suppress(asyncio.CancelledError):
            await self._until_idle(seconds)
        for engine in self._engines.values():
            engine.end(Stop.WORKER_STOPPED)
        await self._until_idle(_LAST_WORDS_SECONDS)
        for engine in self._engines.values():
            engine.drop()

    async def _until_idle(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()


def _follow(engine: InProcessFlowRunEngine, flow_run: FlowRun) -> None:
    """The engine follows the run's state: stop, suspend at the next task, or release."""
    state = flow_run.state
    if state is None:
        return
    match state.type, state.name:
        case StateType.CANCELLING, _:
            engine.end(Stop.CANCELLED)
        case StateType.PAUSED, "Suspended":
            suspend_at_next_task(flow_run.id, state)
        case (StateType.PAUSED, _) | (StateType.SCHEDULED, "AwaitingRetry"):
            pass  # the engine waits by itself
        case _ if engine.is_running():
            # Ended, resumed or rescheduled by others while this engine thinks that it runs.
            engine.end(Stop.SUPERSEDED)
