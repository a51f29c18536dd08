"""An execution of an operation that a flow run has claimed: its steps one after another, its end.

Contract: a step's result is recorded before the next begins, and what is recorded is not done
again: a run that starts over goes on where the last one was. A step that fails ends the execution.
Pitfalls: a step that was interrupted is done again, so its work must be repeatable.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from time import monotonic

import msgspec

from blocks.clock import utc_now
from blocks.contracts import rejections
from blocks.contracts.events import JsonObject
from blocks.contracts.operations import Operation, Step
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.executions import transitions, turns
from blocks.executions.steps import by_step, record_step, step_records
from blocks.observability.metrics import operations as metrics
from blocks.ports import Stale, Stored
from blocks.processes.ending import ended
from blocks.settings import Settings
from flows.shared.claims import newest
from flows.shared.operations.run_events import RunEvents
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)

TURN_LIMIT_SECONDS = 6 * 3600.0
"""So long a run waits for others of its operation; then it fails."""

_LOOK_SECONDS = 2.0


Report = Callable[[str], None]


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a step starts with."""

    input: JsonObject
    """The trigger's input and the results of all earlier steps in one object; what is later wins.
    """
    settings: Settings
    execution_id: str
    """The same in every attempt, for keys under which something is done once."""
    report: Report
    """Takes a line about what is being done now, as `uploading 12 MB`."""


class Skipped(msgspec.Struct, frozen=True):
    """A step that had nothing to do."""

    reason: str


class Failed(msgspec.Struct, frozen=True):
    """A step that failed in every attempt."""

    error: str
    code: str = rejections.STEP_FAILED


Outcome = JsonObject | Skipped | Failed

Work = Callable[[Given], Awaitable[JsonObject]]
"""What a step does. It returns its figures, and raises `NotConfigured` or what went wrong."""

Doing = Callable[[Operation, Step, Callable[[], Awaitable[JsonObject]]], Awaitable[Outcome]]
"""Carries out the work of a step, with its attempts and its limit."""


class Over(Exception):
    """Nothing is left to do in this run; its execution, if it has one, is as it is."""


class OperationRun:
    """The execution in hand. `stored`: as this run last wrote it."""

    def __init__(
        self,
        context: Runtime,
        operation: Operation,
        stored: Stored[ExecutionRecord],
        doing: Doing,
    ) -> None:
        self.stored = stored
        self.steps: dict[str, StepRecord] = {}
        """Those that have ended, by id."""
        self._context = context
        self._operation = operation
        self._doing = doing
        self._events = RunEvents(context.bus, operation)
        self._at_work: asyncio.Task[Outcome] | None = None
        self._is_forgotten = False
        self._doing_now = ""

    @property
    def id(self) -> str:
        return self.stored.record.id

    # --- what the runtime asks of whoever carries an execution ------------------------------------

    def overdue(self, margin: timedelta) -> list[str]:
        """None: each attempt of a step has its limit."""
        return []

    def receive(self, record: object) -> None:
        """Its steps are answered by no event."""

    def forget(self, execution_id: str) -> None:
        """It was cancelled: the step at work is given up."""
        self._is_forgotten = True
        if self._at_work:
            self._at_work.cancel()

    def wake(self, execution_id: str) -> None:
        """Nothing wakes an operation: each trigger is an execution of its own."""

    # --- the run ----------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Its recorded steps are read, and it is its turn: no other of its operation is at work.

        Raises `Over` when one is for longer than `TURN_LIMIT_SECONDS`: then this one has failed.
        """
        record = self.stored.record
        known = await step_records(self._context.store, record.tenant_id, [record.id])
        self.steps = by_step(record, known)
        began = monotonic()
        while at_work := await turns.take(self._context.store, record.workflow, record.id):
            if monotonic() - began > TURN_LIMIT_SECONDS:
                waited_for = f"execution {at_work} of {record.workflow} is still at work"
                await self._fail(Failed(waited_for, rejections.DEADLINE_PASSED))
                raise Over
            await asyncio.sleep(_LOOK_SECONDS)
            self.stored = await newest(self._context.store, self.stored)
        metrics.TURN_SECONDS.labels(record.workflow).observe(monotonic() - began)
        self._events.started(self.stored.record)

    async def step(self, id: str, work: Work) -> JsonObject:
        """The step's result, recorded. Raises `Over` if it failed, and `Stale` if the execution was
        cancelled or belongs to another run now.
        """
        step = self._operation.step(id)
        if id not in self.steps:
            self.stored = await newest(self._context.store, self.stored)
            self._events.step_started(self.stored.record, step)
            self.steps[id] = await self._carry_out(step, work)
            self._events.step_ended(self.stored.record, self.steps[id])
        ended_step = self.steps[id]
        if ended_step.status == "failed":
            error = ended_step.error or "it failed"
            failed = Failed(error, ended_step.error_code or rejections.STEP_FAILED)
            await self._fail(failed, failed_step=id)
            raise Over
        return ended_step.result or {}

    async def complete(self) -> None:
        """The execution is completed with the results of its steps, and announced."""
        results = {id: record.result or {} for id, record in self.steps.items()}
        self.stored = await transitions.complete(self._context.store, self.stored, results=results)
        await self._events.settled()
        await transitions.announce(self._context.store, self._context.bus, [self.stored])

    @property
    def doing(self) -> str:
        """The step at work, and what it has reported last."""
        return f"steps done{self._doing_now}"

    @property
    def reasons_to_skip(self) -> Mapping[str, str]:
        """By step, if every one of them was skipped."""
        reasons = {
            id: str((record.result or {}).get("reason"))
            for id, record in self.steps.items()
            if record.status == "skipped"
        }
        return reasons if len(reasons) == len(self._operation.steps) else {}

    async def _carry_out(self, step: Step, work: Work) -> StepRecord:
        log.info("%s begins", step.id)
        self._doing_now = f", {step.id}"
        outcome = await self._done(step, partial(work, self._given(step)))
        self._doing_now = ""
        store, record = self._context.store, self.stored.record
        match outcome:
            case Skipped(reason=reason):
                log.info("%s is skipped: %s", step.id, reason)
                return await record_step(store, record, step.id, skipped=reason)
            case Failed(error=error, code=code):
                log.error("%s failed: %s", step.id, error)
                return await record_step(store, record, step.id, error=error, error_code=code)
            case result:
                done = {"success": True, **result, "timestamp": utc_now().isoformat()}
                return await record_step(store, record, step.id, result=done)

    async def _done(self, step: Step, work: Callable[[], Awaitable[JsonObject]]) -> Outcome:
        doing = self._doing(self._operation, step, work)
        self._at_work = asyncio.ensure_future(doing)
        try:
            return await self._at_work
        except asyncio.CancelledError:
            if self._is_forgotten:
                raise Stale(f"execution {self.id} was cancelled during {step.id}") from None
            raise
        finally:
            await ended(self._at_work)

    def _given(self, step: Step) -> Given:
        def report(line: str) -> None:
            log.info("%s", line)
            self._doing_now = f", {step.id}: {line}"

        merged = dict(self.stored.record.input)
        for one in self._operation.steps:
            if one.id in self.steps:
                merged |= self.steps[one.id].result or {}
        return Given(
            input=merged,
            settings=self._context.settings,
            execution_id=self.id,
            report=report,
        )

    async def _fail(self, failed: Failed, failed_step: str | None = None) -> None:
        self.stored = await transitions.fail(
            self._context.store,
            self.stored,
            failed.code,
            failed.error,
            failed_step=failed_step,
            results={id: record.result for id, record in self.steps.items() if record.result},
        )
        await self._events.settled()
        await transitions.announce(self._context.store, self._context.bus, [self.stored])
