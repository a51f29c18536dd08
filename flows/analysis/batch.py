"""The executions that one flow run carries: claimed together, answered and ended
each on its own.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from time import monotonic

from blocks.actions.cancelling import withdraw_approvals
from blocks.actions.failing import fail_execution
from blocks.clock import utc_now
from blocks.contracts import rejections
from blocks.contracts.analysis import ANALYSIS_STEPS, AnalysisStep
from blocks.contracts.envelope import Event
from blocks.contracts.events import EventData
from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.contracts.states import TERMINAL, InvalidTransition
from blocks.executions import analysis_events, transitions
from blocks.executions.steps import counts, record_step, step_records
from blocks.messages import to_message
from blocks.observability import log_context
from blocks.observability.metrics import work
from blocks.ports import NotFound, Stale, Stored, Unavailable, UnreadableRecord
from blocks.processes import fault_points
from blocks.queries import every
from flows.analysis.progress import Analysis
from flows.analysis.run_lines import RunLines
from flows.analysis.step_wait import StepWait
from flows.shared.admission import sliced
from flows.shared.approval_gate import continue_alone
from flows.shared.claims import newest
from flows.shared.inbox import Inbox
from flows.shared.runtime import Runtime

log = logging.getLogger(__name__)

REREAD_SECONDS = 5.0
"""How long a lost signal can hold an answer back, or an end that was written elsewhere."""


class AnalysisBatch:
    """Analyses of one tenant in one flow run. The run's next attempt may repeat every operation."""

    def __init__(
        self,
        runtime: Runtime,
        tenant_id: str,
        analyses: Sequence[Analysis],
        *,
        is_open: bool = False,
    ) -> None:
        self._runtime = runtime
        self._tenant_id = tenant_id
        self._analyses: dict[str, Analysis] = {}
        self._waits = {step.name: StepWait(step) for step in ANALYSIS_STEPS}
        self._next_reread = {step.name: monotonic() + REREAD_SECONDS for step in ANALYSIS_STEPS}
        self._open: dict[str, Analysis] = {}
        self._undecided: set[str] = set()
        self._decided = Inbox[Analysis]()
        self._leaving = Inbox[Analysis]()
        self._unasked = {step.name for step in ANALYSIS_STEPS}
        self._taken_up = utc_now()
        self._lines = RunLines(len(analyses))
        self._asked = 0
        self._add(analyses)
        self.offered = Inbox[str]()
        """Ids of executions that dispatchers send to this run, for `OpenRun.take_more`."""
        self.is_open = is_open
        """Whether the run goes on when all its executions have ended: more may join them."""
        self.idle_since: float | None = None
        """Since when (monotonic) every execution has ended, or waits for a person."""
        self.is_to_close = False
        """Whether something waits for the end of this run."""
        self.is_under_way = asyncio.Event()
        """Set once all requests are out, of many executions those of half: the tenant's next run
        may come, and is there when this one has nothing left to begin.
        """

    @property
    def execution_ids(self) -> list[str]:
        return list(self._analyses)

    @property
    def open_analyses(self) -> list[Analysis]:
        """The executions that this run has yet to bring to an end."""
        return list(self._open.values())

    @property
    def analyses(self) -> list[Analysis]:
        return list(self._analyses.values())

    def __len__(self) -> int:
        return len(self._analyses)

    def __contains__(self, execution_id: str) -> bool:
        """Whether it has this execution in hand; one that has ended may be retried, and join."""
        return execution_id in self._open

    def answered(self) -> int:
        """How many of its executions have ended, or wait for a person."""
        return len(self._analyses) - len(self._open)

    @property
    def answers_in_hand(self) -> int:
        """Answers that have come and do not count yet; bounded by what is missing."""
        return sum(wait.answers_in_hand for wait in self._waits.values())

    def receive(self, record: StepRecord) -> None:
        """Takes in an answer that a listener has recorded; what an earlier try met, or is known,
        changes nothing.
        """
        if counts(record, self._analyses[record.execution_id].stored.record):
            self._waits[record.step].offer(record)

    def is_ending(self, execution_id: str) -> bool:
        """Whether it is decided, and its end is being written."""
        analysis = self._open.get(execution_id)
        return analysis is not None and analysis.verdict != "undecided"

    def forget(self, execution_id: str) -> None:
        """Nothing more is done for this execution: it has ended, or another run has it."""
        self._let_go([self._analyses[execution_id]])
        self._decided.put()

    def wake(self, execution_id: str) -> None:
        """Nothing: an analysis is given no more to do than it started with."""

    def overdue(self, margin: timedelta) -> list[str]:
        """Ids of executions that have not ended this long after their slowest step's deadline."""
        return [
            analysis.id
            for analysis in self._open.values()
            if max(analysis.deadline_of(step) for step in ANALYSIS_STEPS) + margin < utc_now()
            and self._taken_up + margin < utc_now()
        ]

    def _add(self, analyses: Sequence[Analysis]) -> None:
        for analysis in analyses:
            self._analyses[analysis.id] = analysis
            if not analysis.is_over:
                self._open[analysis.id] = analysis
            if analysis.verdict == "undecided":
                self._undecided.add(analysis.id)
        for wait in self._waits.values():
            wait.add(analyses)

    async def start(self) -> None:
        """The started events are out, and answers that came before anyone waited for them count."""
        await self._take_up(self.open_analyses)

    async def ask(self) -> None:
        """The steps that executions lack are requested, of many executions slice by slice."""
        await self._runtime.admission.begin(self._tenant_id, self.open_analyses, self._begin)
        self.is_under_way.set()

    def offer(self, execution_ids: Sequence[str]) -> None:
        """These may join, unless another run is faster."""
        self.offered.put(*execution_ids)

    def join(self, analyses: Sequence[Analysis]) -> None:
        """The run carries these, too; `begin` is to be called with them."""
        self.idle_since = None
        self._add(analyses)
        self._lines.joined(len(analyses))
        self._runtime.expect([analysis.id for analysis in analyses], self)

    async def begin(self, analyses: Sequence[Analysis]) -> None:
        """These, which have joined, have been requested."""
        await self._take_up(analyses)
        await self._runtime.admission.begin(self._tenant_id, analyses, self._begin)

    def leave(self, analyses: Iterable[Analysis]) -> None:
        """Those of these that are at their gate go there in runs of their own."""
        self._leaving.put(*(analysis for analysis in analyses if analysis.awaits_approval))

    def close(self) -> None:
        """It is to be closed soon; what is on its way to it still joins."""
        self.is_to_close = True
        self.offered.put()

    def closed(self) -> None:
        """Nothing joins it any more: it ends with the executions that it has."""
        self.is_open = False
        self._decided.put()
        for wait in self._waits.values():
            wait.wake()

    async def _take_up(self, analyses: Sequence[Analysis]) -> None:
        for part in sliced(analyses):
            await self._publish(
                analysis_events.started(analysis.stored.record) for analysis in part
            )
        ids = [analysis.id for analysis in analyses]
        for record in await step_records(
            self._runtime.store, self._tenant_id, ids, skips_unreadable=True
        ):
            self.receive(record)
        for step in ANALYSIS_STEPS:
            await self.take_early_answers(step)

    # --- one step, of all executions --------------------------------------------------------------

    def is_waiting_for(self, step: AnalysisStep) -> bool:
        """Whether any execution still needs this step's answer, or may join and need it."""
        return self.is_open or bool(self._waits[step.name])

    def waiting_for(self, step: AnalysisStep) -> list[Analysis]:
        """The executions that still need this step's answer."""
        return self._waits[step.name].lacking

    async def _begin(self, analyses: Sequence[Analysis]) -> None:
        await asyncio.gather(*(self.request(step, analyses) for step in ANALYSIS_STEPS))
        self._asked += len(analyses)
        if 2 * self._asked >= len(self._analyses):
            self.is_under_way.set()

    async def request(self, step: AnalysisStep, analyses: Sequence[Analysis]) -> None:
        """This step is requested for each of these that needs it, always under the same id."""
        wait = self._waits[step.name]
        unasked = [
            analysis
            for analysis in analyses
            if wait.lacks(analysis.id) and step.name not in analysis.requested
        ]
        await self._publish(
            analysis_events.requested(step, analysis.stored.record) for analysis in unasked
        )
        for analysis in unasked:
            analysis.requested.add(step.name)
        work.STEPS_ASKED.labels(step.name).inc(len(unasked))
        self._lines.asked(step.name, len(unasked))
        self._unasked.discard(step.name)
        fault_points.reached(f"after-request-{len(ANALYSIS_STEPS) - len(self._unasked)}")

    async def wait_for_answers(self, step: AnalysisStep) -> None:
        """Received answers count; a step past its deadline has its answer or has failed."""
        wait = self._waits[step.name]
        await self._take(step, await wait.take(self._patience(step)))
        if self._late(step) or monotonic() >= self._next_reread[step.name]:
            await self._reread(step)
            await self._take(step, wait.take_now())
        if late := self._late(step):
            await self._take(step, await self._time_out(step, late))

    async def take_early_answers(self, step: AnalysisStep) -> None:
        """Answers that arrived before the request count from now on."""
        await self._take(step, self._waits[step.name].take_now())

    async def _take(self, step: AnalysisStep, records: Iterable[StepRecord]) -> None:
        """The answers are announced before they count: no end is announced before its steps."""
        wait = self._waits[step.name]
        news = [record for record in records if wait.lacks(record.execution_id)]
        if not news:
            return
        completed = [record for record in news if record.status == "completed"]
        await self._publish(
            analysis_events.step_completed(
                record, self._analyses[record.execution_id].stored.record
            )
            for record in completed
        )
        fault_points.reached("after-answer")
        for record in news:
            self._count(step, record)

    def _count(self, step: AnalysisStep, record: StepRecord) -> None:
        """The outcome is known; the one that decides an execution makes every other step stop
        waiting for it.
        """
        analysis = self._analyses[record.execution_id]
        analysis.outcomes[step.name] = record
        self._lines.answered(record)
        self._waits[step.name].settle(analysis.id)
        if analysis.verdict != "undecided" and analysis.id in self._undecided:
            self._undecided.discard(analysis.id)
            for wait in self._waits.values():
                wait.settle(analysis.id)
            self._decided.put(analysis)

    def _patience(self, step: AnalysisStep) -> float:
        """Seconds until the next re-read or the first deadline."""
        left = self._next_reread[step.name] - monotonic()
        deadline = (
            None if fault_points.is_set("stopped-clock") else self._waits[step.name].next_deadline()
        )
        if deadline is not None:
            left = min(left, (deadline - utc_now()).total_seconds())
        return max(left, 0.0)

    async def _reread(self, step: AnalysisStep) -> None:
        """Answers that exist and are missing here are fetched, even if their signals were lost."""
        self._next_reread[step.name] = monotonic() + REREAD_SECONDS
        missing = tuple(analysis.id for analysis in self.waiting_for(step))
        if not missing:
            return
        of_step = {"execution_id": missing, "step": step.name}
        found = every(
            self._runtime.store, self._tenant_id, StepRecord, of_step, skips_unreadable=True
        )
        async for stored in found:
            self.receive(stored.record)

    def _late(self, step: AnalysisStep) -> list[Analysis]:
        """Those past their deadline that still lack this step's answer."""
        return (
            [] if fault_points.is_set("stopped-clock") else self._waits[step.name].late(utc_now())
        )

    async def _time_out(self, step: AnalysisStep, late: Iterable[Analysis]) -> list[StepRecord]:
        """The step records of these; an answer that was recorded first wins."""
        records = await asyncio.gather(*(self._time_out_one(step, analysis) for analysis in late))
        return [record for record in records if record]

    async def _time_out_one(self, step: AnalysisStep, analysis: Analysis) -> StepRecord | None:
        """None if another run has taken it over, or what is recorded of it cannot be read: then
        this one lets it go. With a step that cannot be read, it has failed.
        """
        try:
            analysis.stored = await newest(self._runtime.store, analysis.stored)
        except UnreadableRecord as error:
            log.error("execution %s is not carried on: %s", analysis.id, error)
        except (Stale, NotFound):
            pass
        else:
            try:
                return await self._record_late(step, analysis)
            except UnreadableRecord as error:
                await fail_execution(
                    self._runtime.store,
                    self._runtime.bus,
                    analysis.stored,
                    rejections.RUN_FAILED,
                    str(error),
                )
        self.forget(analysis.id)
        return None

    async def _record_late(self, step: AnalysisStep, analysis: Analysis) -> StepRecord:
        seconds = analysis.rules.timeout_of(step.name).total_seconds()
        refusals = transitions.refusals(analysis.stored.record, step.name)
        return await record_step(
            self._runtime.store,
            analysis.stored.record,
            step.name,
            error=f"{step.name} was not answered within {seconds:g} s{refusals}",
            error_code=rejections.STEP_TIMEOUT,
        )

    # --- the end of each execution ----------------------------------------------------------------

    async def conclude(self) -> None:
        """Every execution has ended, or awaits a person, as soon as its own answers allowed it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_to_gates())
            await self._conclude_while_open()
            self._leaving.close()

    async def _take_to_gates(self) -> None:
        """Apart from what is concluded: Prefect, which makes the runs, may be slow or away."""
        async for at_their_gate in self._leaving.bunches():
            await continue_alone(self._runtime, at_their_gate)

    async def _conclude_while_open(self) -> None:
        next_look = monotonic() + REREAD_SECONDS
        while self._open or self.is_open:
            decided = await self._decided.take(max(next_look - monotonic(), 0.0))
            for part in sliced(decided or ()):  # so that other runs' writes come in between
                await self._conclude_all(part)
            if monotonic() >= next_look:
                await self._forget_what_others_ended()
                next_look = monotonic() + REREAD_SECONDS

    async def _conclude_all(self, decided: Sequence[Analysis]) -> None:
        fault_points.reached("before-end")
        completed = await self._complete_together(decided)
        others = [analysis for analysis in decided if analysis.id not in completed]
        concluded = await asyncio.gather(*(self._conclude(analysis) for analysis in others))
        ended = [one for one in (*completed.values(), *concluded) if one and one.record.is_terminal]
        # Before its end is announced: whoever retries it then may send it to this run again.
        self._let_go(decided)
        await transitions.announce(self._runtime.store, self._runtime.bus, ended)
        if len(self._analyses) > 1:
            self.leave(decided)
        elif any(analysis.awaits_approval for analysis in decided):
            self.close()  # the run is to take it to its gate

    def _let_go(self, analyses: Iterable[Analysis]) -> None:
        """Every wait for one of these ends."""
        for analysis in analyses:
            analysis.is_over = True
            if self._open.get(analysis.id) is analysis:  # not a later try, which has joined
                del self._open[analysis.id]
                for wait in self._waits.values():
                    wait.settle(analysis.id)
        if not self._open:
            self.idle_since = monotonic()
            self.offered.put()

    async def _forget_what_others_ended(self) -> None:
        """Does what the signal of a cancelled execution would have done, in case it was lost."""
        if not self._open:
            return
        ended = {"id": tuple(self._open), "status": TERMINAL}
        found = every(
            self._runtime.store, self._tenant_id, ExecutionRecord, ended, skips_unreadable=True
        )
        async for stored in found:
            self.forget(stored.record.id)

    async def _complete_together(
        self, decided: Sequence[Analysis]
    ) -> dict[str, Stored[ExecutionRecord]]:
        """The records, by their ids, of those that are completed now and need nothing else.
        `_conclude` is for the others, and for all if one of these cannot be written.
        """
        try:
            plain = [analysis for analysis in decided if analysis.completes]
            changes = [(one.stored, transitions.completion(**one.findings)) for one in plain]
            written = await transitions.change_all(self._runtime.store, changes)
        except Unavailable:
            raise  # the store is down for all of them: the run tries again from the top
        except Exception as error:
            log.debug("they are concluded one by one, for one of them cannot be: %s", error)
            return {}
        completed: dict[str, Stored[ExecutionRecord]] = {}
        for analysis, stored in zip(plain, written, strict=True):
            if stored is not None:
                completed[analysis.id] = analysis.stored = stored
                with log_context.log_context(
                    execution_id=analysis.id, trace_id=stored.record.trace_id
                ):
                    self._lines.concluded(stored.record)
        return completed

    async def _conclude(self, analysis: Analysis) -> Stored[ExecutionRecord] | None:
        """The record, moved by the verdict; None if this run no longer holds the execution."""
        # Each is concluded in a task of its own, and its log lines name it.
        log_context.add(execution_id=analysis.id, trace_id=analysis.stored.record.trace_id)
        try:
            concluded = analysis.stored = await self._move_on_the_newest(analysis)
            self._lines.concluded(concluded.record)
            return concluded
        except (Stale, NotFound, InvalidTransition):
            log.warning(
                "execution %s is no longer held by this run: another run writes its end",
                analysis.id,
            )
        except UnreadableRecord as error:
            log.error("execution %s is not carried on: %s", analysis.id, error)
        except Unavailable:
            raise  # the store is down for all of them: the run tries again from the top
        except Exception as error:
            # What is wrong with one execution must not hold up the others of its batch.
            log.exception("execution %s cannot be concluded", analysis.id)
            with suppress(Stale, NotFound, InvalidTransition, UnreadableRecord):
                reason = f"{type(error).__name__}: {error}"
                stored = await newest(self._runtime.store, analysis.stored)
                analysis.stored = await transitions.fail(
                    self._runtime.store, stored, rejections.RUN_FAILED, reason
                )
                return analysis.stored
        return None

    async def _move_on_the_newest(self, analysis: Analysis) -> Stored[ExecutionRecord]:
        """Moved, with later additions kept. Raises `Stale` if this run no longer holds it."""
        while True:
            try:
                return await self._move(analysis)
            except Stale:
                analysis.stored = await newest(self._runtime.store, analysis.stored)

    async def _move(self, analysis: Analysis) -> Stored[ExecutionRecord]:
        store, failed, findings = self._runtime.store, analysis.failed_step, analysis.findings
        if failed is not None:
            if analysis.stored.record.approval_ids:
                await withdraw_approvals(store, analysis.stored.record, f"{failed.step} failed")
            code, error = (
                failed.error_code or rejections.STEP_FAILED,
                failed.error or f"{failed.step} failed",
            )
            return await transitions.fail(
                store, analysis.stored, code, error, failed_step=failed.step, **findings
            )
        if analysis.needs_approval:
            analysis.stored = await transitions.move(
                store, analysis.stored, "awaiting_approval", **findings
            )
            return analysis.stored
        return await transitions.complete(store, analysis.stored, **findings)

    async def _publish(self, events: Iterable[Event[EventData]]) -> None:
        await self._runtime.bus.publish(*(to_message(event) for event in events))
