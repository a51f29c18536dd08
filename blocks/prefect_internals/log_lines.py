"""Log lines of Prefect that are known by their text. Imports nothing of Prefect: logging is set up
before it.
"""

import logging

ENGINES_LOGGER = "prefect.flow_runs"
"""Where the engine logs, with a handler that sends to Prefect's server."""

NO_ERRORS = ("Finished in state Suspended(", "Finished in state Running(")
"""How the lines begin that the engine logs as errors although the run was suspended, or was left to
another worker.

Assumed: the engine logs "Finished in state …" with the state's text, already formatted. Prefect has
no setting for the level of this line.
"""


def is_no_error(record: logging.LogRecord) -> bool:
    """Whether Prefect calls this an error, and it is none."""
    return isinstance(record.msg, str) and record.msg.startswith(NO_ERRORS)


def as_information(record: logging.LogRecord) -> bool:
    """A filter that keeps every record, and gives those that are no errors the level INFO."""
    if is_no_error(record):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    return True
