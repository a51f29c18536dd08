"""How log lines reach the log of a flow run in Prefect: its handler, its queue, and the context
that names the run.
"""

import logging
from collections.abc import Sequence
from contextvars import Context, ContextVar, copy_context
from typing import Any

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler, APILogWorker, set_api_log_sink

from blocks.prefect_internals.log_lines import ENGINES_LOGGER, as_information
from blocks.prefect_internals.member import Member

WAITING_MAX = 10_000
"""Lines on their way to Prefect's server; what comes while so many wait is left out there."""

_SELDOM_SECONDS = 60.0

log = logging.getLogger(__name__)


class RunLogQueue(APILogWorker):
    """Prefect's queue of log lines: one request per `PREFECT_LOGGING_TO_API_BATCH_INTERVAL` for all
    runs of the process, and never in the way of a run.

    The base class holds any number of lines, and writes to stderr when the server is away.
    """

    _max_queue_size = WAITING_MAX
    _has_failed = False

    async def _handle_batch(self, items: list[dict[str, Any]]) -> None:
        try:
            await self._client.create_logs(items)
        except Exception as error:
            if not self._has_failed:
                # This task has the context of the run that logged first, whose line this is not.
                why, apart = type(error).__name__, {"send_to_api": False}
                log.warning("log lines of runs do not reach Prefect: %s", why, extra=apart)
            self._has_failed = True
        else:
            self._has_failed = False


QUEUE_MEMBERS = (
    Member("_max_queue_size", "how many lines may wait, 0 for any number; there is no setting"),
    Member(
        "_handle_batch",
        "sends one request; the base method writes to stderr when that fails",
        parameters="(self, items)",
        is_async=True,
        called_by="_main_loop",
    ),
    Member("_client", "Prefect's client, as long as the queue is served"),
)
"""Of `APILogWorker`, which is not documented."""


class RunLogHandler(APILogHandler):
    """Sends what is logged inside a flow run to that run's log in Prefect, and nothing else."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.addFilter(_in_a_run)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # of the base class
        """Nothing: a line that cannot be sent stands in the process's own log."""


def send_lines_of(loggers: Sequence[str], formatter: logging.Formatter) -> None:
    """What these loggers and Prefect's engine log inside a run reaches the run's log in Prefect.

    Once per process; a logger that sends already (`PREFECT_LOGGING_EXTRA_LOGGERS`) is left as it
    is.
    """
    set_api_log_sink(_enqueue)
    logging.getLogger(RunLogQueue.__name__).addFilter(_first_of_a_minute)
    logging.getLogger(ENGINES_LOGGER).addFilter(as_information)
    for name in loggers:
        logger = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):
            logger.addHandler(RunLogHandler(formatter))


def outside_any_run() -> Context:
    """The current context without its flow run: for tasks that outlive the run which starts them.

    Assumed: Prefect finds the current run in the context variables of these two classes alone.
    """
    context = copy_context()
    variables: tuple[ContextVar[Any], ...] = (FlowRunContext.__var__, TaskRunContext.__var__)
    for variable in variables:
        context.run(variable.set, None)
    return context


def _enqueue(line: dict[str, Any]) -> None:
    """Assumed: `emit_api_log` gives a sink what it would give `APILogWorker`."""
    RunLogQueue.instance().send(line)


def _in_a_run(record: logging.LogRecord) -> bool:
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def _first_of_a_minute(record: logging.LogRecord) -> bool:
    """Prefect warns of each line that finds the queue full."""
    global _warned_at
    if record.created < _warned_at + _SELDOM_SECONDS:
        return False
    _warned_at = record.created
    return True


_warned_at = float("-inf")
