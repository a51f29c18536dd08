"""What is logged inside a flow run is also in that run's log in Prefect, with whatever worker."""

import logging
from contextvars import Context

from blocks.observability import log_context
from blocks.observability.masked_records import mask_secrets
from blocks.observability.plain_text import plain, plain_lines
from blocks.observability.redaction import redacted, secrets_of
from blocks.prefect_internals.run_logs import outside_any_run, send_lines_of
from blocks.settings import Settings

LOGGERS = ("flows", "blocks")
"""Whose lines describe a run's work."""


def send_to_prefect(settings: Settings) -> None:
    """From now on, the lines of each run of this process are in its log in Prefect, without
    secrets; from `LOG_LEVEL` on.
    """
    # Prefect's own workers start runs in processes in which nothing of ours was configured.
    mask_secrets(secrets_of(settings))
    for name in LOGGERS:
        logging.getLogger(name).setLevel(settings.log_level.upper())
    send_lines_of(LOGGERS, RunLogFormatter())


def outside_runs() -> Context:
    """The context for tasks that serve all runs of the process: what they log is no run's."""
    context = outside_any_run()
    context.run(log_context.clear)
    return context


class RunLogFormatter(logging.Formatter):
    """The message as a person reads it in Prefect, a traceback on the lines below."""

    def format(self, record: logging.LogRecord) -> str:
        message = plain(redacted(record.getMessage()))
        trace = record.exc_text or (record.exc_info and self.formatException(record.exc_info))
        return f"{message}\n{plain_lines(redacted(trace))}" if trace else message
