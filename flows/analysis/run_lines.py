"""The lines of an analysis in the log of its run: a person in Prefect's UI reads what happened."""

import logging
from collections import Counter

from blocks.contracts.records import ExecutionRecord, StepRecord
from blocks.observability.plain_text import cut

log = logging.getLogger(__name__)

LINES_MAX = 20
"""Of each kind, in one run: a batch of hundreds costs Prefect's server no more than a small one."""

_SHOWN_MAX = 500
"""Characters of an error."""


class RunLines:
    """Every line of a small run; of a large one the first of each kind, then that some are left
    out.

    What goes as it should with a step is at DEBUG: the step's task run shows it, and each line
    costs Prefect's server.
    """

    def __init__(self, executions: int) -> None:
        self._executions = executions
        self._written: Counter[str] = Counter()

    def joined(self, executions: int) -> None:
        """The run carries so many more."""
        self._executions += executions
        log.info("%s joined this run", _counted(executions))

    def asked(self, step: str, executions: int) -> None:
        """The requests of this step are out."""
        if executions:
            log.debug("%s is requested for %s", step, _counted(executions))

    def answered(self, record: StepRecord) -> None:
        """A step's outcome counts: an answer, a failure, or its deadline."""
        if record.status == "failed":
            code, error = record.error_code, _shown(record.error)
            self._line("failed", logging.WARNING, f"{record.step} failed ({code}): {error}", record)
        else:
            self._line("answered", logging.DEBUG, f"{record.step} is answered", record)

    def concluded(self, record: ExecutionRecord) -> None:
        """The execution has ended, or has come to its gate."""
        match record.status:
            case "failed":
                why = f"has failed ({record.error_code}): {_shown(record.error)}"
                self._line("ended in failure", logging.WARNING, why, record)
            case "awaiting_approval":
                self._line("gate", logging.INFO, "waits for a person's decision", record)
            case status:
                self._line("ended", logging.INFO, f"has ended as {status}", record)

    def _line(self, kind: str, level: int, text: str, about: StepRecord | ExecutionRecord) -> None:
        self._written[kind] += 1
        if self._written[kind] <= LINES_MAX:
            log.log(level, "execution %s: %s", _id(about), text)
        elif self._written[kind] == LINES_MAX + 1:
            log.log(
                level,
                "further lines like these are left out: this run carries %s, and the record of "
                "each has all of it",
                _counted(self._executions),
            )


def _id(about: StepRecord | ExecutionRecord) -> str:
    return about.execution_id if isinstance(about, StepRecord) else about.id


def _counted(executions: int) -> str:
    return "1 execution" if executions == 1 else f"{executions} executions"


def _shown(error: str | None) -> str:
    return cut(error or "no reason was given", _SHOWN_MAX)
