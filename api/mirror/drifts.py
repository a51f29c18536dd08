"""Every kind of drift that the mirror repairs, on one screen."""

from typing import Any

from api.mirror.approvals import OverdueApprovals, UnfollowedApprovals
from api.mirror.drift import Drift, Parts
from api.mirror.ended_runs import EndedRuns
from api.mirror.jobs import UnreportedJobs, UnsentTriggers
from api.mirror.lost_runs import LostRuns
from api.mirror.overdue import OverdueExecutions
from api.mirror.unannounced import Unannounced
from api.mirror.undispatched import Undispatched
from api.mirror.vanished_runs import VanishedRuns

DRIFTS: tuple[type[Drift[Any]], ...] = (
    Undispatched,  # accepted, and in no flow run
    LostRuns,  # in a flow run that no living worker holds
    EndedRuns,  # open, and Prefect says its run has ended
    VanishedRuns,  # open, and Prefect does not know its run
    OverdueExecutions,  # running, long after its deadline
    Unannounced,  # ended, and nobody was told
    OverdueApprovals,  # nobody decided in time
    UnfollowedApprovals,  # decided, and still suspended
    UnsentTriggers,  # a job accepted, and its trigger not sent
    UnreportedJobs,  # a job triggered, and nobody told how it ended
)

KINDS = tuple(drift.kind for drift in DRIFTS)


def drifts(parts: Parts) -> list[Drift[Any]]:
    """One object of each kind. They remember what they saw last: keep them as long as you look."""
    return [drift(parts) for drift in DRIFTS]
