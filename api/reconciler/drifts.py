"""All kinds of drift that the reconciler repairs."""

from typing import Any

from api.reconciler.drift import Drift, Parts
from api.reconciler.kinds.approvals import OverdueApprovals, UnfollowedApprovals
from api.reconciler.kinds.ended_runs import EndedRuns
from api.reconciler.kinds.jobs import UnreportedJobs, UnsentTriggers
from api.reconciler.kinds.lost_runs import LostRuns
from api.reconciler.kinds.overdue import OverdueExecutions
from api.reconciler.kinds.unannounced import Unannounced
from api.reconciler.kinds.undispatched import Undispatched
from api.reconciler.kinds.unqueued_runs import UnqueuedRuns
from api.reconciler.kinds.unwoken import UnclosedPhases, UnwokenJourneys
from api.reconciler.kinds.vanished_runs import VanishedRuns

DRIFTS: tuple[type[Drift[Any]], ...] = (
    Undispatched,  # accepted, and in no flow run
    UnqueuedRuns,  # in a flow run that no worker can get
    LostRuns,  # in a flow run that no living worker holds
    EndedRuns,  # open, and its run has ended in Prefect
    VanishedRuns,  # open, and Prefect does not know its run
    OverdueExecutions,  # running, long after its deadline
    UnwokenJourneys,  # a phase is due, and its journey is at rest
    UnclosedPhases,  # a phase is due, and its journey was ended from outside
    Unannounced,  # ended, and its terminal event not confirmed
    OverdueApprovals,  # not decided in time
    UnfollowedApprovals,  # decided, and still suspended
    UnsentTriggers,  # a job accepted, and its trigger not sent
    UnreportedJobs,  # a job triggered, and no end reported
)

KINDS = tuple(drift.kind for drift in DRIFTS)


def drifts(parts: Parts) -> list[Drift[Any]]:
    """One object of each kind. They keep state between looks: keep them as long as you look."""
    return [drift(parts) for drift in DRIFTS]
