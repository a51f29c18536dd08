"""Flow runs that were created and that no worker has started yet, as far as this
dispatcher knows.
"""

from collections import Counter
from time import monotonic

import msgspec

from listeners.dispatch.fair_queue import Lane

PATIENCE_SECONDS = 5.0
"""A run without a start signal counts as started after this long: the cost of a lost signal."""


class UnstartedRun(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    lane: Lane
    executions: int
    since: float = msgspec.field(default_factory=monotonic)


class UnstartedRuns:
    """At most one per lane makes the others of the lane wait; what is too old is forgotten by
    looking.
    """

    def __init__(self) -> None:
        self._runs: dict[str, UnstartedRun] = {}

    def add(self, run: UnstartedRun) -> None:
        self._runs[run.id] = run

    def pop(self, run_id: str) -> UnstartedRun | None:
        """The run, which is no longer here; None if it was not."""
        return self._runs.pop(run_id, None)

    def __len__(self) -> int:
        self._forget_old()
        return len(self._runs)

    def __contains__(self, lane: object) -> bool:
        self._forget_old()
        return any(run.lane == lane for run in self._runs.values())

    def executions(self) -> Counter[str]:
        """How many executions they carry, by tenant."""
        self._forget_old()
        carried = Counter[str]()
        for run in self._runs.values():
            carried[run.lane.tenant_id] += run.executions
        return carried

    def _forget_old(self) -> None:
        oldest = monotonic() - PATIENCE_SECONDS
        for run_id in [run.id for run in self._runs.values() if run.since < oldest]:
            del self._runs[run_id]
