"""A flow run that stays open for a while: further executions of its tenant join it. The start of a
run of their own would take most of a lone one's time, and most of what Prefect does for a backlog.

Prefect knows nothing of this: a run carries what its parameters list. So what joins it is sent by
signal, is the run's by its claim, and stands in the parameters when the run is over, of a large one
before.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

import msgspec
import prefect.runtime.flow_run

from blocks import signals
from blocks.contracts.analysis import WORKFLOW
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.states import OPEN
from blocks.executions.run_names import run_name
from blocks.observability import log_context
from blocks.observability.metrics import work
from blocks.ports import NotFound, Stored, Unavailable, UnreadableRecord
from blocks.prefect_internals.suspension import was_suspended
from blocks.queries import every
from flows.analysis.batch import AnalysisBatch
from flows.analysis.progress import Analysis
from flows.shared.inbox import Inbox
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)

AT_MOST_SECONDS = 60.0
"""So long it is open, then the next run begins: people look for runs by what is in their names, and
that is brought up to date at a run's end, of a large one now and then.
"""

SHOWN_FROM = 10
"""A run that carries so many is shown with them once they are twice as many as Prefect shows: its
name distinguishes a backlog from a lone execution while it is under way, too.
"""

ON_THEIR_WAY_SECONDS = 0.2
"""A closed run takes what dispatchers have sent before they heard of it."""

Claim = Callable[[Sequence[str]], Awaitable[list[Analysis]]]


def takes_more(context: Runtime) -> bool:
    """Whether runs of this system are open at all."""
    dispatch = context.settings.dispatch
    return dispatch.open_seconds > 0 and dispatch.batch_max > 1


class OpenRun:
    """The open time of one flow run; see `takes_more`."""

    def __init__(
        self,
        context: Runtime,
        tenant_id: str,
        batch: AnalysisBatch,
        execution_ids: Sequence[str],
    ) -> None:
        """`execution_ids`: those that Prefect shows it with."""
        self._context = context
        self._tenant_id = tenant_id
        self._batch = batch
        self._id = str(prefect.runtime.flow_run.id)
        self._listed = list(execution_ids)
        self._shown = len(self._listed)
        self._joined = Inbox[Analysis]()
        self._tasks: asyncio.TaskGroup

    async def take_more(self, claim: Claim) -> None:
        """Dispatchers know that the run is under way, and what they sent to it has joined and
        begun: until none came for `dispatch.open_seconds`, or something waits for the end of the
        run.
        """
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._begin_what_joins())
            await self._take_while_open(claim)
            self._joined.close()
        self._batch.closed()

    async def _begin_what_joins(self) -> None:
        """Apart from what takes it in, which is not to wait for a backlog that takes its turns; and
        all that has gathered together, so that a run has one place among those turns.
        """
        async for gathered in self._joined.bunches():
            await self._batch.begin(gathered)

    async def _take_while_open(self, claim: Claim) -> None:
        batch, bus = self._batch, self._context.bus
        with self._context.open_to_more(self._id, batch):
            await bus.broadcast(signals.FLOW_RUN_OPEN, msgspec.json.encode(self._announcement()))
            closes_at = monotonic() + AT_MOST_SECONDS
            while (left := min(closes_at, self._closes_if_idle()) - monotonic()) > 0:
                if offered := await batch.offered.take(left):
                    await self._take(offered, claim)
            await bus.broadcast(signals.FLOW_RUN_CLOSED, self._id.encode())
            if not batch.is_to_close:
                await asyncio.sleep(ON_THEIR_WAY_SECONDS)
        if offered := batch.offered.take_now():
            await self._take(offered, claim)

    def _announcement(self) -> signals.OpenRun:
        return signals.OpenRun(
            flow_run_id=self._id,
            tenant_id=self._tenant_id,
            workflow=WORKFLOW,
            executions=len(self._batch),
        )

    def _closes_if_idle(self) -> float:
        if self._batch.is_to_close:
            return float("-inf")
        idle_since = self._batch.idle_since
        open_seconds = self._context.settings.dispatch.open_seconds
        return float("inf") if idle_since is None else idle_since + open_seconds

    async def _take(self, offered: Sequence[str], claim: Claim) -> None:
        """The run carries those of these that it could claim. If they cannot be claimed at all,
        dispatchers give them to another run: those that are under way do not suffer.
        """
        asked = list(dict.fromkeys(offered))
        # Retried already, while its end is still being written here: another run takes it.
        ending = {id for id in asked if self._batch.is_ending(id)}
        # The run's log context names its first execution.
        with log_context.log_context(execution_id=asked[0]):
            try:
                claimed = await claim([id for id in asked if id not in self._batch])
            except UnreadableRecord as error:
                log.error("%d executions cannot join: %s", len(asked), error)
                return
            work.EXECUTIONS_JOINED.inc(len(claimed))
            if joining := [analysis for analysis in claimed if not analysis.awaits_approval]:
                self._batch.join(joining)
                self._joined.put(*joining)
                self._show()
            taken = msgspec.json.encode([id for id in asked if id not in ending])
            await self._context.bus.broadcast(signals.EXECUTIONS_JOINED, taken)
            self._send_to_their_gates(claimed)

    def _send_to_their_gates(self, claimed: Sequence[Analysis]) -> None:
        """Also one that was alone until now, and for which the run was to end."""
        was_alone = self._batch.is_to_close and len(self._batch) > 1
        self._batch.leave((*claimed, *(self._batch.analyses if was_alone else ())))

    def _show(self) -> None:
        if len(self._batch) >= max(SHOWN_FROM, 2 * self._shown):
            ids = list(dict.fromkeys([*self._listed, *self._batch.execution_ids]))
            self._shown = len(ids)
            held = [analysis.stored for analysis in self._batch.analyses]
            self._tasks.create_task(show_joined(self._context, self._tenant_id, ids, held))


async def with_joined(context: Runtime, tenant_id: str, execution_ids: Sequence[str]) -> list[str]:
    """Of a run that begins once more: these, and those that joined it before. A suspended run has
    one execution only.
    """
    if prefect.runtime.flow_run.run_count < 2 or was_suspended():
        return list(execution_ids)
    of_run = {"flow_run_id": str(prefect.runtime.flow_run.id), "status": OPEN}
    held = [
        stored.record.id
        async for stored in every(
            context.store, tenant_id, ExecutionRecord, of_run, skips_unreadable=True
        )
    ]
    return list(dict.fromkeys([*execution_ids, *held]))


async def show_joined(
    context: Runtime,
    tenant_id: str,
    execution_ids: Sequence[str],
    held: Sequence[Stored[ExecutionRecord]],
) -> None:
    """Prefect shows the run with all the executions that it has carried."""
    subjects = dict.fromkeys(execution_ids, "") | {
        stored.record.id: stored.record.subject for stored in held
    }
    run_id, name = str(prefect.runtime.flow_run.id), run_name(WORKFLOW, subjects)
    try:
        await context.flow_runs.show_carried(run_id, tenant_id, execution_ids, name=name)
    except (NotFound, Unavailable) as problem:
        log.info("Prefect shows this run without what has joined it: %s", problem)
