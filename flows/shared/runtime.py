"""What all flow runs of one process share: settings, bus, store, Prefect, and who waits for which
step.

Opened by the first run; closed by `close()` when the process ends, never by a run.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from typing import Protocol

import msgspec
import prefect.runtime.flow_run

from blocks import signals
from blocks.adapters.prefect.flow_runs import PrefectFlowRuns
from blocks.adapters.retrying import RetryingEventBus, RetryingRecordStore
from blocks.contracts.records import StepRecord
from blocks.ports import EventBus, FlowRuns, RecordStore
from blocks.processes.heartbeat import Heartbeat, beats
from blocks.services import open_bus, open_store
from blocks.settings import Settings, load_settings
from flows.shared import run_log
from flows.shared.admission import Admission


class Receiver(Protocol):
    """A flow run that has executions in hand."""

    def overdue(self, margin: timedelta) -> list[str]:
        """Ids of its executions that have not ended this long after their last deadline."""
        ...

    def receive(self, record: StepRecord) -> None:
        """A step of one of its executions has ended."""
        ...

    def forget(self, execution_id: str) -> None:
        """One of its executions was ended by another process."""
        ...

    def wake(self, execution_id: str) -> None:
        """One of its executions was given more to do by another process."""
        ...


class Joinable(Protocol):
    """A flow run that takes further executions."""

    def offer(self, execution_ids: list[str]) -> None:
        """A dispatcher sends it these, which are pending unless another run is faster."""
        ...

    def close(self) -> None:
        """It is to take no more."""
        ...


class Runtime:
    """The ports of a flow run, and which of its waiters waits for which execution.

    Bus and store retry while a part is unavailable: an outage of minutes fails no flow run.
    """

    def __init__(
        self, settings: Settings, bus: EventBus, store: RecordStore, flow_runs: FlowRuns
    ) -> None:
        self.settings = settings
        self.bus = bus
        self.store = store
        self.flow_runs = flow_runs
        self.admission = Admission(bus, settings.rabbitmq.queue)
        self._receivers: dict[str, Receiver] = {}
        self._open_runs: dict[str, Joinable] = {}
        self._is_ending = False

    @contextmanager
    def expecting(self, execution_ids: Iterable[str], receiver: Receiver) -> Iterator[None]:
        """While this lasts, the receiver is notified of changes elsewhere to these executions, and
        to those of `expect`.
        """
        self.expect(execution_ids, receiver)
        try:
            yield
        finally:
            self._receivers = {
                id: one for id, one in self._receivers.items() if one is not receiver
            }

    def expect(self, execution_ids: Iterable[str], receiver: Receiver) -> None:
        """The receiver, whose `expecting` lasts, is notified of these, too."""
        self._receivers |= dict.fromkeys(execution_ids, receiver)

    @contextmanager
    def open_to_more(self, flow_run_id: str, run: Joinable) -> Iterator[None]:
        """While this lasts, the run gets the executions that dispatchers send to it."""
        self._open_runs[flow_run_id] = run
        if self._is_ending:
            run.close()
        try:
            yield
        finally:
            del self._open_runs[flow_run_id]

    def take_no_more(self) -> None:
        """No run of this process takes further executions, nor any that is yet to be open."""
        self._is_ending = True
        for run in self._open_runs.values():
            run.close()

    def overdue(self) -> list[str]:
        """Executions that this process holds and has not ended, past deadline and margin."""
        margin = timedelta(seconds=self.settings.analysis.overdue_after_seconds)
        return [id for receiver in set(self._receivers.values()) for id in receiver.overdue(margin)]

    async def steps_settled(self, body: bytes) -> None:
        """Each step record that a listener has just created reaches the run that waits for it, if
        that is here.
        """
        for record in _steps_decoder.decode(body):
            if receiver := self._receivers.get(record.execution_id):
                receiver.receive(record)

    async def dispatched(self, body: bytes) -> None:
        """The executions join the open run that they were sent to, if it is here."""
        sent = _dispatched_decoder.decode(body)
        if sent.joins and (run := self._open_runs.get(sent.flow_run_id)):
            run.offer(sent.execution_ids)

    async def execution_cancelled(self, body: bytes) -> None:
        """The run that carries the execution, if it is here, lets it go."""
        if receiver := self._receivers.get(body.decode()):
            receiver.forget(body.decode())

    async def journey_woken(self, body: bytes) -> None:
        """The run that carries the journey, if it is here, looks at what there is to do."""
        if receiver := self._receivers.get(body.decode()):
            receiver.wake(body.decode())


async def get() -> Runtime:
    """The runtime of this process, opened on first use. Raises `Unavailable` when a part of it does
    not answer.
    """
    global _opening, _stack
    if _opening is None or (_opening.done() and (_opening.cancelled() or _opening.exception())):
        _stack = AsyncExitStack()
        # what it starts serves all runs, not only the one that came first
        _opening = asyncio.create_task(_open(_stack), context=run_log.outside_runs())
    return await asyncio.shield(_opening)


def overdue() -> list[str]:
    """Executions of this process past deadline and margin; none while nothing is open."""
    runtime = _opened()
    return runtime.overdue() if runtime else []


def take_no_more() -> None:
    """The process is about to end: its open runs take no further executions."""
    if runtime := _opened():
        runtime.take_no_more()


async def close() -> None:
    """Everything the runs shared is closed; safe to call when nothing was opened."""
    global _opening, _stack
    opening, stack = _opening, _stack
    _opening = _stack = None
    if opening is not None:
        await asyncio.wait([opening])
    if stack is not None:
        await stack.aclose()


def _opened() -> Runtime | None:
    if _opening is None or not _opening.done() or _opening.cancelled() or _opening.exception():
        return None
    return _opening.result()


_opening: asyncio.Task[Runtime] | None = None
_stack: AsyncExitStack | None = None
_dispatched_decoder = msgspec.json.Decoder(signals.Dispatched)
_steps_decoder = msgspec.json.Decoder(list[StepRecord])


async def _open(stack: AsyncExitStack) -> Runtime:
    settings = load_settings()
    run_log.send_to_prefect(settings)
    store = await stack.enter_async_context(open_store(settings))
    await _show_that_it_lives(stack, settings, store)
    runtime = Runtime(
        settings,
        bus=RetryingEventBus(await stack.enter_async_context(open_bus(settings, "flows"))),
        store=RetryingRecordStore(store),
        flow_runs=await stack.enter_async_context(PrefectFlowRuns()),
    )
    await stack.enter_async_context(
        runtime.bus.listen(signals.STEPS_SETTLED, runtime.steps_settled)
    )
    await stack.enter_async_context(
        runtime.bus.listen(signals.FLOW_RUN_DISPATCHED, runtime.dispatched)
    )
    await stack.enter_async_context(
        runtime.bus.listen(signals.EXECUTION_CANCELLED, runtime.execution_cancelled)
    )
    await stack.enter_async_context(
        runtime.bus.listen(signals.JOURNEY_WOKEN, runtime.journey_woken)
    )
    await stack.enter_async_context(
        runtime.bus.listen(signals.INTAKE_PASSED, runtime.admission.mark_passed)
    )
    return runtime


async def _show_that_it_lives(
    stack: AsyncExitStack, settings: Settings, store: RecordStore
) -> None:
    """A run in a process of its own (a `process` pool) has no worker of ours to show its heartbeat,
    and without one the reconciler takes it for lost.
    """
    flow_run_id = prefect.runtime.flow_run.id
    if flow_run_id is None or beats("worker"):
        return
    heartbeat = Heartbeat(
        store,
        "worker",
        every_seconds=settings.worker.heartbeat_seconds,
        flow_run_ids=lambda: [flow_run_id],
    )
    await stack.enter_async_context(heartbeat)
    await heartbeat.announce()
