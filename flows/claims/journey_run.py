"""A journey in the hands of a flow run: its due phases are done until nothing is left to do now.

Contract: the journey's ETag is read before its phases, and with it the journey comes to rest. A
trigger touches the journey after it was written, so none can be missed in between.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic

from msgspec.structs import replace

from blocks.claims import journeys, moving, requests, rest, rounds
from blocks.claims.money import fee_decisions
from blocks.claims.rest import Rest
from blocks.clock import utc_now
from blocks.contracts.claims.phases import PHASES, PhaseNumber
from blocks.contracts.claims.workflow import journey_input
from blocks.contracts.records import ExecutionRecord
from blocks.contracts.records.claims import PhaseRecord
from blocks.executions import transitions
from blocks.observability.metrics import claims as metrics
from blocks.ports import Stale, Stored
from blocks.processes.ending import ended
from flows.claims import phases
from flows.claims.parts import Parts
from flows.claims.phases import Done, Work
from flows.shared.claims import newest

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often a journey is read again while its phases are being done: a signal may be lost."""

_READING_SHARE = 0.25
"""Of its time that a journey may be read in, while phases of it are being done: one of a thousand
claims has thousands of phases, and each trigger of one wakes it.
"""

AT_ONCE = 10
"""Phases of different claims of one journey that are done side by side."""

Doing = Callable[[PhaseRecord, Callable[[], Awaitable[Done]]], Awaitable[Done]]
"""Does a phase; by itself, or as a task that Prefect shows."""


class JourneyRun:
    """One journey that this run has claimed. `stored`: as this run last wrote it."""

    def __init__(self, parts: Parts, stored: Stored[ExecutionRecord], doing: Doing) -> None:
        self.stored = stored
        self._parts = parts
        self._context = parts.context
        self._doing = doing
        self._woken = asyncio.Event()
        self._known: dict[str, Stored[PhaseRecord]] = {}
        """Its phases as of the last reading, and as this run has written them since."""
        self._next_reading = float("-inf")
        self._working: dict[str, asyncio.Task[None]] = {}
        self._paying = asyncio.Lock()
        """One payout ends at a time: of several at once, the last one completes the sync."""

    @property
    def id(self) -> str:
        return self.stored.record.id

    # --- what the runtime asks of whoever carries an execution ------------------------------------

    def overdue(self, margin: timedelta) -> list[str]:
        """None: a journey has no deadline of its own, and each call of a phase has its limit."""
        return []

    def receive(self, record: object) -> None:
        """Its phases are answered by no event."""

    def forget(self, execution_id: str) -> None:
        """It was cancelled: the next look finds it so."""
        self._woken.set()

    def wake(self, execution_id: str) -> None:
        """It was triggered: the next look finds by what."""
        self._woken.set()

    # --- the run ----------------------------------------------------------------------------------

    async def carry(self) -> None:
        """The journey rests, has ended, or belongs to another run. May be called again after an
        error.
        """
        try:
            await self._read()
            await self._request_failed_ones()
            while not await self._look():
                await self._wait()
        except Stale as taken:
            log.info("journey %s is left: %s", self.id, taken)
        finally:
            working, self._working = self._working, {}
            await ended(*working.values())

    async def _look(self) -> bool:
        """Begins what is due, or brings the journey to rest; True if this run is done with it."""
        is_woken = self._woken.is_set() and monotonic() >= self._next_reading
        if is_woken or not (self._working or self._due()):
            await self._read()
        for phase in self._due():
            self._working[phase.record.id] = asyncio.create_task(
                self._do(phase, _previous(phase.record, self._phases())),
                name=f"phase {phase.record.id}",
            )
        if self._working:
            return False
        return await self._rest(self._phases())

    async def _read(self) -> None:
        """The journey and its phases are those on record now. Raises `Stale`: not ours any more."""
        began = monotonic()
        self._woken.clear()
        self.stored = await newest(self._context.store, self.stored)
        tenant_id = self.stored.record.tenant_id
        known = await journeys.phases_of(self._context.store, tenant_id, self.id)
        self._known = {phase.record.id: phase for phase in known}
        self._next_reading = monotonic() + (monotonic() - began) * (1 / _READING_SHARE - 1)

    def _phases(self) -> list[PhaseRecord]:
        return [phase.record for phase in self._known.values()]

    def _due(self) -> list[Stored[PhaseRecord]]:
        """Those to begin now: of the sync, and of each claim, the lowest that is due; the others
        follow.
        """
        busy = {_owner(self._known[id].record) for id in self._working if id in self._known}
        due: list[Stored[PhaseRecord]] = []
        for phase in sorted(self._known.values(), key=lambda one: one.record.phase):
            if phase.record.is_due and _owner(phase.record) not in busy:
                busy.add(_owner(phase.record))
                due.append(phase)
        return due[: max(AT_ONCE - len(self._working), 0)]

    async def _wait(self) -> None:
        """Until a phase has ended, something was triggered, or a while has passed; a trigger waits
        its turn while readings take much of the time.
        """
        waking = asyncio.create_task(self._when_woken())
        try:
            done, _ = await asyncio.wait(
                [waking, *self._working.values()],
                timeout=LOOK_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            await ended(waking)
        if not done:
            self._woken.set()
        over = [id for id, task in self._working.items() if task.done()]
        for id in over:
            self._working.pop(id).result()

    async def _when_woken(self) -> None:
        await self._woken.wait()
        await asyncio.sleep(self._next_reading - monotonic() if self._working else 0)

    async def _request_failed_ones(self) -> None:
        """A journey that is tried again does once more what had failed, and only that: not what a
        later phase has made good.
        """
        journey = self.stored.record
        standing = {one.id for one in rest.standing_failures(self._phases())}
        for phase in list(self._known.values()):
            known = phase.record
            if known.id in standing and known.announced_at and known.retry < journey.retries:
                await self._request_again(phase, "retry")

    async def _request_decided_payouts(self) -> bool:
        """Those whose fee a person has decided while they failed by it; whether there are any."""
        decided = [
            phase
            for phase in self._known.values()
            if not phase.record.is_due
            and await fee_decisions.is_decided(self._context.store, phase.record)
        ]
        for phase in decided:
            await self._request_again(phase, "fee decision")
        return bool(decided)

    async def _request_again(self, phase: Stored[PhaseRecord], triggered_by: str) -> None:
        known = phase.record
        again = replace(known, **requests.next_round(known, known.trigger, triggered_by))
        try:
            self._keep(await self._context.store.replace(known.tenant_id, phase.etag, again))
        except Stale:  # triggered meanwhile, or moved with its claim: not failed
            self._woken.set()

    # --- a phase ----------------------------------------------------------------------------------

    async def _do(self, phase: Stored[PhaseRecord], previous: PhaseNumber | None) -> None:
        """The round has ended, on record and announced. What changed meanwhile is for the
        next look.
        """
        store, bus = self._context.store, self._context.bus
        try:
            if phase.record.status in ("completed", "failed"):
                self._keep(await rounds.announce(store, bus, phase, previous=previous))
                return
            retry = self.stored.record.retries
            begun = await rounds.begin(store, bus, phase, previous=previous, retry=retry)
        except Stale:
            self._woken.set()
            return
        self._keep(begun)
        metrics.began(begun.record)
        record, work = (
            begun.record,
            Work(parts=self._parts, journey=self.stored.record, phase=begun.record),
        )
        try:
            done = await self._in_time(record, self._doing(record, lambda: phases.do(work)))
        except Exception as error:  # of any kind: one phase must not end the others
            code, reason = phases.failure_of(error)
            is_ours = code == "phase-error"
            log.log(
                logging.ERROR if is_ours else logging.WARNING,
                "%s of %s failed: %s",
                *(_title(record), record.user_id, reason),
                exc_info=is_ours,
            )
            after = await rounds.fail(store, bus, begun, code, reason, previous=previous)
        else:
            after = await self._complete(begun, done, previous)
        self._keep(after)
        self._count(record, after.record)

    def _keep(self, written: Stored[PhaseRecord]) -> None:
        self._known[written.record.id] = written

    async def _complete(
        self, begun: Stored[PhaseRecord], done: Done, previous: PhaseNumber | None
    ) -> Stored[PhaseRecord]:
        store, bus = self._context.store, self._context.bus
        if begun.record.phase != 7:
            return await rounds.complete(
                store, bus, begun, done.result, done.message, previous=previous
            )
        async with self._paying:
            return await rounds.complete(
                store,
                bus,
                begun,
                done.result,
                done.message,
                previous=previous,
                completes_sync=await self._completes(begun.record),
            )

    def _count(self, begun: PhaseRecord, after: PhaseRecord) -> None:
        """`after`: the record once the round was announced, which may be the next round's."""
        outcome = "failed" if after.status == "failed" else "completed"
        end = after.completed_at or utc_now()
        seconds = (end - (begun.started_at or end)).total_seconds()
        metrics.ended(
            begun,
            outcome,
            max(seconds, 0.0),
            rolled_back=outcome == "failed"
            and rounds.rolls_back(begun.phase, begun.previous_phase),
        )

    async def _in_time(self, record: PhaseRecord, doing: Awaitable[Done]) -> Done:
        """Waits for it; once it has taken longer than its limit, that is in the log."""
        limit = PHASES[record.phase].limit_seconds
        task = asyncio.ensure_future(doing)
        try:
            done, _ = await asyncio.wait([task], timeout=limit)
            if not done:
                metrics.exceeded(record)
                log.warning(
                    "%s of %s takes longer than its limit of %g s",
                    _title(record),
                    record.user_id,
                    limit,
                )
            return await task
        finally:
            if not task.done():
                await ended(task)

    async def _completes(self, phase: PhaseRecord) -> bool:
        if any(one.is_due for one in self._phases() if one.id != phase.id):
            return False  # known without reading all of them for each payout
        store, journey = self._context.store, self.stored.record
        known = await journeys.phases_of(store, journey.tenant_id, journey.id)
        claims = await journeys.claims_of(store, journey.tenant_id, journey.id)
        return rest.completes_sync(
            journey_input(journey),
            [one.record for one in known],
            [one.record for one in claims],
            phase.claim_key or "",
        )

    # --- rest -------------------------------------------------------------------------------------

    async def _rest(self, known: list[PhaseRecord]) -> bool:
        store, journey = self._context.store, self.stored.record
        claims = await journeys.claims_of(store, journey.tenant_id, journey.id)
        if await moving.bring_phases(store, [one.record for one in claims]):
            self._woken.set()
            return False
        if await self._request_decided_payouts():
            self._woken.set()
            return False
        came_to = rest.rest_of(journey_input(journey), known, [one.record for one in claims])
        if came_to is None:
            return False
        try:
            self.stored = await self._moved(came_to)
        except Stale:  # triggered meanwhile, or taken over: the next look, at once, sees which
            self._woken.set()
            return False
        if self.stored.record.is_terminal:
            await transitions.announce(store, self._context.bus, [self.stored])
        log.info("journey %s of %s is %s", self.id, journey.subject, self.stored.record.status)
        return True

    async def _moved(self, came_to: Rest) -> Stored[ExecutionRecord]:
        store, results = self._context.store, came_to.results
        match came_to.status:
            case "completed":
                return await transitions.complete(
                    store, self.stored, results=results, failed_step=None
                )
            case "failed":
                return await transitions.fail(
                    store,
                    self.stored,
                    came_to.error_code or "phase-failed",
                    came_to.error or "a phase failed",
                    failed_step=came_to.failed_step,
                    results=results,
                )
        return await transitions.move(
            store,
            self.stored,
            "waiting",
            results=results,
            failed_step=came_to.failed_step,
            flow_run_id=None,
        )


def _owner(phase: PhaseRecord) -> str:
    """Phases of one owner are done one after the other."""
    return phase.claim_key or ""


def _previous(phase: PhaseRecord, known: list[PhaseRecord]) -> PhaseNumber | None:
    """The phase before this one that was completed: of its claim, or of the sync."""
    before = [
        one.phase
        for one in known
        if one.status == "completed"
        and one.phase < phase.phase
        and one.claim_key in (None, phase.claim_key)
    ]
    return max(before, default=None)


def _title(phase: PhaseRecord) -> str:
    claim = f" of claim {phase.trigger.claim_id}" if phase.trigger.claim_id else ""
    return f"{PHASES[phase.phase].title}{claim}"
