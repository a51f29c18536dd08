"""What a run's executions still need in one step: missing answers, received ones, deadlines."""

import heapq
from collections.abc import Iterable
from datetime import datetime
from itertools import count

from blocks.contracts.analysis import AnalysisStep
from blocks.contracts.records import StepRecord
from flows.analysis.progress import Analysis
from flows.shared.inbox import Inbox


class StepWait:
    """One step of all executions of a run. It holds at most one answer of each that lacks one, and
    none of others.

    Each call costs by what it handles, never by the size of the run.
    """

    def __init__(self, step: AnalysisStep) -> None:
        self._step = step
        self._lacking: dict[str, Analysis] = {}
        self._inbox = Inbox[StepRecord]()
        self._in_hand: dict[str, StepRecord] = {}
        self._deadlines: list[tuple[datetime, int, Analysis]] = []
        self._added = count()  # of two with one deadline, the first is late first

    def add(self, analyses: Iterable[Analysis]) -> None:
        """Those of these that need this step are waited for; the waiter looks again when they are
        late.
        """
        for analysis in analyses:
            if analysis.waits_for(self._step):
                self._lacking[analysis.id] = analysis
                entry = (analysis.deadline_of(self._step), next(self._added), analysis)
                heapq.heappush(self._deadlines, entry)
        self.wake()

    def wake(self) -> None:
        """The waiter looks again at what there is to wait for."""
        self._inbox.put()

    def __bool__(self) -> bool:
        return bool(self._lacking)

    @property
    def lacking(self) -> list[Analysis]:
        """The executions that still need an answer."""
        return list(self._lacking.values())

    def lacks(self, execution_id: str) -> bool:
        return execution_id in self._lacking

    @property
    def answers_in_hand(self) -> int:
        """Answers that have come and do not count yet."""
        return len(self._in_hand)

    def offer(self, record: StepRecord) -> None:
        """The reader has this answer in its next bunch; one that is not needed, or in hand already,
        has no effect.
        """
        id = record.execution_id
        if id not in self._lacking or (
            id in self._in_hand and not _betters(record, self._in_hand[id])
        ):
            return
        self._in_hand[id] = record
        self._inbox.put(record)

    async def take(self, timeout_seconds: float) -> list[StepRecord]:
        """The received answers, once there are any, the wait has changed, or time is up."""
        await self._inbox.take(timeout_seconds)
        return self.take_now()

    def take_now(self) -> list[StepRecord]:
        """The answers in hand."""
        self._inbox.take_now()
        taken, self._in_hand = self._in_hand, {}
        return list(taken.values())

    def settle(self, execution_id: str) -> None:
        """The execution needs no answer any more; if it was the last, the waiter wakes up."""
        self._in_hand.pop(execution_id, None)
        if self._lacking.pop(execution_id, None) is not None and not self._lacking:
            self.wake()

    def next_deadline(self) -> datetime | None:
        """When the first of those that lack an answer is late; None if all have theirs."""
        while self._deadlines and not self._is_lacking(self._deadlines[0][2]):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def late(self, now: datetime) -> list[Analysis]:
        """Those whose deadline has passed, which stay late until they are settled."""
        late = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            late.append(heapq.heappop(self._deadlines))
        for entry in late:
            heapq.heappush(self._deadlines, entry)
        return [analysis for *_, analysis in late]

    def _is_lacking(self, analysis: Analysis) -> bool:
        """Also False for an earlier try of one that lacks the answer again."""
        return self._lacking.get(analysis.id) is analysis


def _betters(record: StepRecord, other: StepRecord) -> bool:
    """A success counts before a failure; of two successes, that of the earlier try."""
    return (record.status == "completed", -record.retry) > (
        other.status == "completed",
        -other.retry,
    )
