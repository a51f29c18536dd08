"""Prefect's async flow run engine, adapted to many runs in one event loop.

For each run the base engine opens a thread with its own web socket (to be notified of suspension)
and waits for it on the event loop, starts a heartbeat thread, and takes over SIGTERM. In a shared
process the worker does these, once for all.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import httpx
from anyio import CancelScope
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.flows import Flow
from prefect.states import Crashed, Pending

from blocks.adapters.prefect.retries import open_to_any_worker
from blocks.prefect_internals import suspension
from blocks.prefect_internals.engine import flow_parameters, no_sigterm_handler
from blocks.prefect_internals.run_client import RunClient


class Stop(Enum):
    """Why a run is ended from outside its flow; the value is the message of its state."""

    CANCELLED = "cancelled"
    WORKER_STOPPED = "worker stopped"
    SUPERSEDED = "taken over"
    """Prefect has moved the run on: its mover owns the state, this process only releases it."""


@dataclass
class InProcessFlowRunEngine(AsyncFlowRunEngine[..., Any]):
    """Carries out one flow run among many in this process; makes no thread and
    handles no signal.
    """

    stop: Stop | None = None
    _task: asyncio.Task[Any] | None = field(default=None, init=False)
    _run_client: RunClient | None = field(default=None, init=False)

    async def carry_out(self) -> State[Any]:
        """The run has ended in the returned state; the flow's own exceptions are in it.

        Raises `Pause` when the run was suspended, `Abort` when Prefect refused to let it run,
        `CancelledError` after `end`, and whatever Prefect's client raises when the server does not
        answer.
        """
        async with self.start():
            while self.is_running():
                async with self.run_context():
                    # Declared as if it returned a coroutine of a coroutine.
                    await self.call_flow_fn()  # type: ignore[unused-coroutine]
        return self.state

    def end(self, why: Stop) -> None:
        """The run ends at its next await, in the state that `why` asks for. The first reason
        counts.
        """
        if self.stop:
            return
        self.stop = why
        if self._task:
            self._task.cancel(why.value)

    def drop(self) -> None:
        """The run ends at its next await, in the state that was last reported to Prefect."""
        if self._task:
            self._task.cancel()

    def emit_heartbeat(self) -> None:
        self._emit_flow_run_heartbeat()

    # --- what differs from the base engine --------------------------------------------------------

    @property
    def client(self) -> RunClient:
        if self._run_client is None:
            assert self.flow_run
            self._run_client = RunClient(super().client, self.flow_run)
        return self._run_client

    @property
    def heartbeat_seconds(self) -> int | None:
        """None keeps the base engine from starting its heartbeat thread."""
        return None

    @contextmanager
    def setup_flow_run_suspension_request(self) -> Iterator[suspension.SuspensionRequest]:
        """The base method without its observer: the worker marks the request when it sees the run
        suspended.
        """
        assert self.flow_run
        request = self._get_flow_run_suspension_request()
        with suspension.registered(self.flow_run.id, request):
            request.raise_if_requested()
            yield request

    async def begin_run(self) -> State[Any]:
        # Only from here on does the base engine turn a cancelled task into a state.
        self._task = asyncio.current_task()
        if self.stop:
            raise asyncio.CancelledError(self.stop.value)
        state: State[Any] = await super().begin_run()
        if state.is_running() and self.flow_run:
            _count_begin(self.flow_run)
        return state

    async def set_state(self, state: State[Any], force: bool = False) -> State[Any]:
        if state.is_failed():
            await self.client.send_postponed()
        accepted: State[Any] = await super().set_state(state, force=force)
        return accepted

    async def handle_exception(self, exc: Exception, *arguments: Any, **options: Any) -> State[Any]:
        state: State[Any] = await super().handle_exception(exc, *arguments, **options)
        if self.is_running() and self.flow_run:  # it is being tried again
            with suppress(httpx.HTTPError, PrefectHTTPStatusError):  # else the reconciler does it
                await open_to_any_worker(self.client, self.flow_run.id)
        return state

    async def handle_crash(self, exc: BaseException) -> None:
        match self.stop:
            case None:
                await super().handle_crash(exc)
            case Stop.CANCELLED:
                await self.handle_cancellation(exc)
            case Stop.WORKER_STOPPED:
                with CancelScope(shield=True):
                    await self.set_state(Crashed(message=Stop.WORKER_STOPPED.value), force=True)
            case Stop.SUPERSEDED:
                self.logger.info("Let go of this run: it was %s.", Stop.SUPERSEDED.value)


def _count_begin(flow_run: FlowRun) -> None:
    """As the server has just counted: a run that goes on after a suspension is the same start."""
    policy = flow_run.empirical_policy
    if not policy.resuming:
        flow_run.run_count += 1
    policy.resuming = False


def engine_for(flow: Flow[..., Any], flow_run: FlowRun) -> InProcessFlowRunEngine:
    """An engine for this run of a deployment. Raises `TypeError` if the parameters do not fit the
    flow's signature.
    """
    # What a poll returns comes without its state, and the engine reads the state before it asks for
    # it.
    flow_run.state = flow_run.state or Pending()
    parameters = flow_parameters(flow, flow_run)
    return InProcessFlowRunEngine(flow=flow, flow_run=flow_run, parameters=parameters)


@contextmanager
def signals_left_to_the_worker() -> Iterator[None]:
    """While this lasts, no flow run of this process takes over SIGTERM.

    Prefect's handler raises `TerminationSignal` in the main thread, that is in whichever run is
    being executed.
    """
    with no_sigterm_handler():
        yield
