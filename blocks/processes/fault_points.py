"""Named places where a test can kill the process, to see what a crash exactly there leaves behind.

Off unless `FAULT_POINT` names one. The process ends by SIGKILL, as in a power cut: nothing is
flushed or closed.
"""

import logging
import os
import signal

log = logging.getLogger(__name__)

# Each is one line of the product; a search for its name leads there.
OF_THE_LISTENER = ("before-record", "after-record", "after-dispatch")
OF_AN_ANALYSIS = (
    "after-claim",
    *(f"after-request-{number}" for number in range(1, 5)),
    "after-answer",
    "before-end",
    "after-end",
    "after-announcement",
)
OF_AN_APPROVAL = ("before-suspend", "after-approval", "after-decision")
OF_A_TRIGGER = ("after-trigger", "event-entered")
OF_A_PHASE = ("after-phase-begun", "after-phase-end")
OF_A_JOB = ("job-accepted",)
OF_A_DEAD_LETTER = ("after-dead-letter", "after-replay")
OF_A_DELETION = ("after-steps-deleted",)
OF_A_FEE = ("after-fee-intended", "after-fee-charged", "after-fee-settled")
OF_A_PAYOUT = (*OF_A_FEE, "after-packet")
OF_A_BACKUP = (
    "backup-dumped",
    "backup-described",
    "backup-uploaded",
    "backup-restored",
    "backup-compared",
    "backup-verified",
    "backup-deleting",
)
OF_A_CLOCK = ("stopped-clock",)
"""Here nothing is killed: while one is set, no step of a run of this process runs out of time."""


def is_set(point: str) -> bool:
    """Whether `FAULT_POINT` names this point."""
    return os.environ.get("FAULT_POINT") == point


def reached(point: str) -> None:
    """Ends this process at once if `FAULT_POINT` names this point; otherwise does nothing."""
    if is_set(point):
        log.error("fault point %s reached: this process kills itself", point)
        os.kill(os.getpid(), signal.SIGKILL)
