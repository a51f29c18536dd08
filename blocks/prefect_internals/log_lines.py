"""Log lines of Prefect that are known by their text. Imports nothing of Prefect: logging is set up
before it.
"""

import logging

ENGINES_LOGGER = "prefect.flow_runs"
"""Where the engine logs, with a handler that sends to Prefect's server."""

NO_ERRORS = ("Finished in state Suspended(type=PAUSED)", "Finished in state Running()")
"""What the engine logs as an error although the run was suspended, or was left to another worker.

Assumed: the engine logs "Finished in state …" with the state's text, already formatted. Prefect has
no setting for the level of this line.
"""

_SUSPENDED = NO_ERRORS[0].split("type=")
"""Between these stands the message of the state, if it has one."""


def is_no_error(record: logging.LogRecord) -> bool:
    """Whether Prefect calls this an error, and it is none."""
    begin, end = _SUSPENDED
    line = record.msg if isinstance(record.msg, str) else ""
    return line in NO_ERRORS or (line.startswith(begin) and line.endswith(end))


def as_information(record: logging.LogRecord) -> bool:
    """A filter that keeps every record, and gives those that are no errors the level INFO."""
    if is_no_error(record):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    return True
