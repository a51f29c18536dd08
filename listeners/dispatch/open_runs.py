"""Flow runs that take further executions, and what was sent to them: what joins one need not wait
for the start of a run of its own, nor does Prefect have to make one.
"""

from collections import Counter
from collections.abc import Sequence
from time import monotonic

import msgspec
from msgspec.structs import replace

from blocks import signals
from listeners.dispatch.fair_queue import Entry, Lane

CLAIM_SECONDS, SECONDS_FOR_EACH = 3.0, 0.02
"""Executions that were sent to an open run and that it has not taken by then are dispatched again:
the run had closed, its worker is gone, or a signal was lost. Claims make two runs harmless.
"""

_FORGOTTEN_AFTER_SECONDS = 65.0
"""Longer than any run is open, which is a minute: the signal that it has closed was lost."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Executions on their way to an open run."""

    lane: Lane
    entries: list[Entry]
    since: float = msgspec.field(default_factory=monotonic)

    @property
    def is_late(self) -> bool:
        """Whether a run should have taken them long ago."""
        patience = CLAIM_SECONDS + SECONDS_FOR_EACH * len(self.entries)
        return monotonic() > self.since + patience


class KnownRun(msgspec.Struct, kw_only=True):
    id: str
    lane: Lane
    executions: int
    """How many it carries, those on their way to it included."""
    since: float = msgspec.field(default_factory=monotonic)


class OpenRuns:
    """As far as this dispatcher knows. What it sends to a run holds the lane up until the run has
    taken it, so that what comes meanwhile goes together.
    """

    def __init__(self) -> None:
        self._runs: dict[str, KnownRun] = {}
        self._sent: dict[str, Sent] = {}

    def opened(self, run: signals.OpenRun) -> None:
        """It takes further executions."""
        lane = Lane(run.tenant_id, run.workflow)
        self._runs[run.flow_run_id] = KnownRun(
            id=run.flow_run_id, lane=lane, executions=run.executions
        )

    def closed(self, run_id: str) -> None:
        """It takes no more of them."""
        self._runs.pop(run_id, None)

    def of(self, lane: Lane, batch_max: int) -> KnownRun | None:
        """The newest of this lane that has room for one more, if any."""
        runs = [
            run for run in self._runs.values() if run.lane == lane and run.executions < batch_max
        ]
        return runs[-1] if runs else None

    def joined(self, run_id: str, executions: int) -> None:
        """So many more were sent to it, by whichever dispatcher."""
        if run := self._runs.get(run_id):
            run.executions += executions

    # --- what this dispatcher has sent ------------------------------------------------------------

    def sent(self, run_id: str, sent: Sent) -> None:
        self._sent[run_id] = sent
        self.joined(run_id, len(sent.entries))

    def taken(self, execution_ids: Sequence[str]) -> list[Sent]:
        """A run has taken these: returns what was sent by this dispatcher and of which nothing is
        on its way any more.
        """
        taken, complete = set(execution_ids), []
        for run_id, sent in list(self._sent.items()):
            left = [entry for entry in sent.entries if entry.execution_id not in taken]
            if left:
                self._sent[run_id] = replace(sent, entries=left)
            else:
                complete.append(self._sent.pop(run_id))
        return complete

    def is_sending(self, lane: Lane) -> bool:
        """Whether executions of this lane are on their way."""
        return any(sent.lane == lane for sent in self._sent.values())

    def executions(self) -> Counter[str]:
        """How many executions are on their way, by tenant."""
        on_their_way = Counter[str]()
        for sent in self._sent.values():
            on_their_way[sent.lane.tenant_id] += len(sent.entries)
        return on_their_way

    def __len__(self) -> int:
        """How many runs have something on its way to them."""
        return len(self._sent)

    def take_back(self) -> list[Sent]:
        """What no run has taken in time; those runs count as closed."""
        late = {run_id: sent for run_id, sent in self._sent.items() if sent.is_late}
        for run_id in late:
            del self._sent[run_id]
            self.closed(run_id)
        return list(late.values())

    def forget_old(self) -> None:
        """A run is not believed to be open for ever: the signal that it has closed may be lost."""
        oldest = monotonic() - _FORGOTTEN_AFTER_SECONDS
        self._runs = {id: run for id, run in self._runs.items() if run.since >= oldest}
