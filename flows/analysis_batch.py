"""The executions that one flow run carries: claimed together, answered and ended each on its own."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress

from blocks import executions, fault_points, log_context
from blocks.cancelling import withdraw_approvals
from blocks.clock import utc_now
from blocks.contracts import ids, rejections, traces
from blocks.contracts.about import About
from blocks.contracts.analysis import ANALYSIS_STEPS, AnalysisStep
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData, OpportunityAnalysisStarted, StepCompleted
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.contracts.states import TERMINAL, InvalidTransition
from blocks.messages import to_message
from blocks.metrics import work
from blocks.ports import Stale, Stored, Unavailable
from blocks.queries import every
from blocks.steps import counts, record_step, step_records
from flows.analysis import Analysis
from flows.approval_gate import continue_alone
from flows.claims import newest
from flows.inbox import Inbox
from flows.runtime import Runtime

log = logging.getLogger(__name__)

REREAD_SECONDS = 5.0
"""How long a lost signal can hold an answer back."""


class AnalysisBatch:
    """Analyses of one tenant in one flow run. Whatever it does, the run's next attempt may do again."""

    def __init__(self, runtime: Runtime, tenant_id: str, analyses: Sequence[Analysis]) -> None:
        self._runtime = runtime
        self._tenant_id = tenant_id
        self._analyses = {analysis.id: analysis for analysis in analyses}
        self._answers = {step.name: Inbox[StepRecord]() for step in ANALYSIS_STEPS}
        self._decided = Inbox[Analysis]()
        self._unasked = {step.name for step in ANALYSIS_STEPS}
        self.has_asked = asyncio.Event()
        """Set once all requests of all executions are out."""

    @property
    def execution_ids(self) -> list[str]:
        return list(self._analyses)

    def receive(self, record: StepRecord) -> None:
        """Takes in an answer that a listener has recorded; a failure that an earlier try met is none."""
        if counts(record, self._analyses[record.execution_id].stored.record):
            self._answers[record.step].put(record)

    def forget(self, execution_id: str) -> None:
        """Nothing more is done for this execution: somebody else has ended it."""
        self._let_go([self._analyses[execution_id]])
        self._decided.put()

    async def start(self) -> None:
        """The started events are out, and answers that came before anyone waited for them are in hand."""
        await self._publish(_started(analysis.stored.record) for analysis in self._analyses.values())
        await self._reread(self._analyses.values())

    # --- one step, of all executions ---------------------------------------------------------------------------------

    def waiting_for(self, step: AnalysisStep) -> list[Analysis]:
        """The executions that still need this step's answer."""
        return [analysis for analysis in self._analyses.values() if analysis.waits_for(step)]

    async def request(self, step: AnalysisStep) -> None:
        """Every execution that needs it has asked for this step, under one id however often it asks."""
        unasked = [analysis for analysis in self.waiting_for(step) if step.name not in analysis.requested]
        await self._publish(_request(step, analysis.stored.record) for analysis in unasked)
        for analysis in unasked:
            analysis.requested.add(step.name)
        work.STEPS_ASKED.labels(step.name).inc(len(unasked))
        self._unasked.discard(step.name)
        fault_points.reached(f"after-request-{len(ANALYSIS_STEPS) - len(self._unasked)}")
        if not self._unasked:
            self.has_asked.set()

    async def wait_for_answers(self, step: AnalysisStep) -> None:
        """Answers have come and count from now on, or the deadline has passed and what is missing has failed."""
        inbox = self._answers[step.name]
        records = await inbox.take(self._patience(step))
        if records is None:
            await self._reread(self.waiting_for(step))
            records = inbox.take_now() or await self._time_out(step)
        await self._take(step, records)

    async def take_early_answers(self, step: AnalysisStep) -> None:
        """Answers that were there before anyone asked count from now on."""
        await self._take(step, self._answers[step.name].take_now())

    async def _take(self, step: AnalysisStep, records: Iterable[StepRecord]) -> None:
        """The answers are announced first and count then, so that no end is told before its steps."""
        news = {record.id: record for record in records if self._analyses[record.execution_id].waits_for(step)}.values()
        if not news:
            return
        completed = [record for record in news if record.status == "completed"]
        await self._publish(
            _step_completed(record, self._analyses[record.execution_id].stored.record) for record in completed
        )
        fault_points.reached("after-answer")
        for record in news:
            analysis = self._analyses[record.execution_id]
            analysis.outcomes[step.name] = record
            if analysis.verdict != "undecided":
                self._decided.put(analysis)

    def _patience(self, step: AnalysisStep) -> float:
        """Seconds until the next re-read or the first deadline."""
        deadlines = [analysis.deadline_of(step) for analysis in self.waiting_for(step)]
        left = (min(deadlines) - utc_now()).total_seconds() if deadlines else 0.0
        return min(REREAD_SECONDS, left)

    async def _reread(self, analyses: Iterable[Analysis]) -> None:
        """Records that exist are in the inboxes, whatever became of their signals."""
        execution_ids = [analysis.id for analysis in analyses]
        for record in await step_records(self._runtime.store, self._tenant_id, execution_ids):
            self.receive(record)

    async def _time_out(self, step: AnalysisStep) -> list[StepRecord]:
        """Step records of those whose deadline has passed; an answer that was recorded first wins."""
        late = [analysis for analysis in self.waiting_for(step) if analysis.deadline_of(step) <= utc_now()]
        records = await asyncio.gather(*(self._time_out_one(step, analysis) for analysis in late))
        return [record for record in records if record]

    async def _time_out_one(self, step: AnalysisStep, analysis: Analysis) -> StepRecord | None:
        """None if another run has taken it over: then this one lets it go."""
        try:
            analysis.stored = await newest(self._runtime.store, analysis.stored)
        except Stale:
            self.forget(analysis.id)
            return None
        seconds = analysis.rules.timeout_of(step.name).total_seconds()
        return await record_step(
            self._runtime.store,
            analysis.stored.record,
            step.name,
            error=f"{step.name} was not answered within {seconds:g} s{_refused(step, analysis.stored.record)}",
            error_code=rejections.STEP_TIMEOUT,
        )

    # --- the end of each execution -----------------------------------------------------------------------------------

    async def conclude(self) -> None:
        """Every execution has ended, or awaits a person, as soon as its own answers allowed it."""
        while any(not analysis.is_over for analysis in self._analyses.values()):
            decided = await self._decided.take(REREAD_SECONDS)
            if decided is None:
                await self._forget_what_others_ended()
                continue
            concluded = await asyncio.gather(*(self._conclude(analysis) for analysis in decided))
            ended = [stored for stored in concluded if stored and stored.record.is_terminal]
            await executions.announce(self._runtime.store, self._runtime.bus, ended)
            self._let_go(decided)
            for analysis in decided:
                if analysis.awaits_approval and len(self._analyses) > 1:
                    await continue_alone(self._runtime, analysis)

    def _let_go(self, analyses: Iterable[Analysis]) -> None:
        """Whoever waits for one of these stops waiting."""
        for analysis in analyses:
            analysis.is_over = True
        for inbox in self._answers.values():
            inbox.put()

    async def _forget_what_others_ended(self) -> None:
        """What the signal of a cancelled execution would have told, had it not been lost."""
        still_open = tuple(analysis.id for analysis in self._analyses.values() if not analysis.is_over)
        ended = {"id": still_open, "status": TERMINAL}
        async for stored in every(self._runtime.store, self._tenant_id, ExecutionRecord, ended):
            self.forget(stored.record.id)

    async def _conclude(self, analysis: Analysis) -> Stored[ExecutionRecord] | None:
        """The record, moved as the verdict says; None if the execution is no longer this run's to write."""
        # Each is concluded in a task of its own, and its log says so.
        log_context.add(execution_id=analysis.id, trace_id=analysis.stored.record.trace_id)
        fault_points.reached("before-end")
        try:
            concluded = await self._move_on_the_newest(analysis)
            log.debug("execution %s is %s", analysis.id, concluded.record.status)
            return concluded
        except (Stale, InvalidTransition):
            log.warning("execution %s is no longer held by this run: its end is somebody else's to write", analysis.id)
        except Unavailable:
            raise  # the store is down for all of them: the run tries again from the top
        except Exception as error:
            # What is wrong with one execution must not hold up the others of its batch.
            log.exception("execution %s cannot be concluded", analysis.id)
            with suppress(Stale, InvalidTransition):
                said = f"{type(error).__name__}: {error}"
                stored = await newest(self._runtime.store, analysis.stored)
                return await executions.fail(self._runtime.store, stored, rejections.RUN_FAILED, said)
        return None

    async def _move_on_the_newest(self, analysis: Analysis) -> Stored[ExecutionRecord]:
        """Moved, whatever was attached to the record meanwhile. Raises `Stale` if this run no longer holds it."""
        while True:
            try:
                return await self._move(analysis)
            except Stale:
                analysis.stored = await newest(self._runtime.store, analysis.stored)

    async def _move(self, analysis: Analysis) -> Stored[ExecutionRecord]:
        findings = {"results": analysis.results, "missing_steps": analysis.missing_steps}
        store, failed = self._runtime.store, analysis.failed_step
        if failed is not None:
            if analysis.stored.record.approval_ids:
                await withdraw_approvals(store, analysis.stored.record, f"{failed.step} failed")
            code, error = failed.error_code or rejections.STEP_FAILED, failed.error or f"{failed.step} failed"
            return await executions.fail(store, analysis.stored, code, error, failed_step=failed.step, **findings)
        if analysis.needs_approval:
            analysis.stored = await executions.move(store, analysis.stored, "awaiting_approval", **findings)
            return analysis.stored
        return await executions.complete(store, analysis.stored, **findings)

    async def _publish(self, events: Iterable[Event[EventData]]) -> None:
        await self._runtime.bus.publish(*(to_message(event) for event in events))


def _refused(step: AnalysisStep, execution: ExecutionRecord) -> str:
    """What is known of answers that came and did not count."""
    refused = [answer for answer in execution.refused_answers if answer.step == step.name]
    if not refused:
        return ""
    answers = "1 answer was refused" if len(refused) == 1 else f"{len(refused)} answers were refused"
    return f"; {answers}: {refused[-1].code}: {refused[-1].reason}"


def _started(execution: ExecutionRecord) -> Event[EventData]:
    started_at = execution.started_at or execution.updated_at
    return Event(
        id=ids.started_event_id(execution.id, execution.retries),
        tenant_id=execution.tenant_id,
        timestamp=started_at,
        traceparent=str(traces.of_execution(execution)),
        about=About.execution(execution),
        data=OpportunityAnalysisStarted(
            workflow_id=execution.id, opportunity_id=execution.subject_on_wire, timestamp=started_at
        ),
    )


def _request(step: AnalysisStep, execution: ExecutionRecord) -> Event[EventData]:
    return Event(
        id=ids.step_requested_event_id(execution.id, step.name, execution.retries),
        tenant_id=execution.tenant_id,
        timestamp=execution.started_at or execution.updated_at,
        traceparent=str(traces.of_part(execution, step.name)),
        about=About.execution(execution),
        data=step.request(
            workflow_id=execution.id,
            opportunity_id=execution.subject_on_wire,
            step_id=ids.step_id(execution.id, step.name),
            tenant_id=execution.tenant_id,
        ),
    )


def _step_completed(record: StepRecord, execution: ExecutionRecord) -> Event[EventData]:
    return Event(
        id=ids.step_completed_event_id(record.execution_id, record.step, record.retry),
        tenant_id=record.tenant_id,
        timestamp=record.completed_at,
        traceparent=str(traces.of_part(execution, record.step)),
        about=About.execution(execution),
        data=StepCompleted(
            workflow_id=record.execution_id,
            step_id=record.step_id,
            step_type=record.step,
            result=record.result or {},
        ),
    )
