"""Logging of our processes: one line per record on stderr, as text or JSON, and no secret in any of
them.

Purpose: one format for our own records, Prefect's, uvicorn's and Litestar's; libraries' chatter
only from WARNING on. Contract: redaction happens where a record is made, so every handler gets it,
Prefect's that sends to its server, too.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

import msgspec

from blocks.observability import redaction
from blocks.observability.masked_records import RedactedRecord as RedactedRecord
from blocks.observability.masked_records import mask_secrets
from blocks.observability.plain_text import plain, plain_json
from blocks.observability.redaction import redacted
from blocks.prefect_internals.log_lines import is_no_error
from blocks.settings import Settings

LogFormat = Literal["text", "json"]

QUIET = (
    "aio_pika",
    "aiormq",
    "asyncio",
    "azure",
    "httpcore",
    "httpx",
    "prefect",
    "uvicorn",
    "websockets",
)
"""Libraries that log their activity at INFO. A flow's logs through Prefect still reach its UI."""

TOLD_ONCE = ("aio_pika.robust_connection", "aiormq.connection")
"""During an outage of the broker these log every second, per connection;
`blocks.adapters.rabbitmq.link` logs it once.
"""

log = logging.getLogger(__name__)


def configure_logging(
    level: str, process_name: str, log_format: LogFormat = "text", *, secrets: Iterable[str] = ()
) -> None:
    """Logs this process to stderr, uncaught errors included; `secrets` are masked.

    Call it before importing Prefect, which leaves a configured root logger alone.
    """
    mask_secrets(secrets)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(is_logged)
    handler.setFormatter(
        JsonFormatter(process_name) if log_format == "json" else TextFormatter(process_name)
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _tell_uncaught
    threading.excepthook = _log_uncaught_in_thread


def configure_logging_of(settings: Settings, process_name: str) -> None:
    """The same, from the settings; their secrets are masked, and what was found in the
    configuration file is logged.
    """
    secrets = redaction.secrets_of(settings)
    configure_logging(settings.log_level, process_name, settings.log_format, secrets=secrets)
    for note in settings.notes:
        log.log(logging.WARNING if note.level == "warning" else logging.INFO, "%s", note.text)


class TextFormatter(logging.Formatter):
    """Time, level, process, logger, message; a traceback on the lines below."""

    def __init__(self, process_name: str) -> None:
        super().__init__(
            f"%(asctime)s.%(msecs)03dZ %(levelname)-7s {process_name} %(name)s: %(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 # the name of the base class
        # what an event holds must not pass for a line of ours
        record.message = plain(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 # the name of the base class
        return _below(super().formatException(ei))

    def format(self, record: logging.LogRecord) -> str:
        """The lines below the first are indented: none of them begins like a record."""
        kept, record.exc_text = record.exc_text, record.exc_text and _below(record.exc_text)
        try:
            return super().format(record)
        finally:
            record.exc_text = kept

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 # the name of the base class
        return _below(stack_info)


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, process, logger, message, what was worked on, the exception
    with its traceback.
    """

    def __init__(self, process_name: str) -> None:
        super().__init__()
        self._process_name = process_name

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _rfc3339(record.created),
            "level": record.levelname,
            "process": self._process_name,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "context", {}),
        }
        if record.exc_text or record.exc_info:
            fields["exception"] = record.exc_text or redacted(self.formatException(record.exc_info))  # type: ignore[arg-type]
        if record.stack_info:
            fields["stack"] = record.stack_info
        return plain_json(
            msgspec.json.encode(
                {name: _encodable(value) for name, value in fields.items()}
            ).decode()
        )


def formatter_of_the_environment() -> logging.Formatter:
    """For Prefect's server, which has no settings of ours; its records hold no secret either."""
    mask_secrets()
    return (
        JsonFormatter("prefect")
        if os.environ.get("LOG_FORMAT") == "json"
        else TextFormatter("prefect")
    )


def _encodable(value: Any) -> Any:
    """Half a surrogate pair, of a file name or of JSON, has no UTF-8."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _below(lines: str) -> str:
    return "\n".join(f"  {plain(line)}" for line in lines.split("\n"))


def log_failure(message: str) -> bool:
    """Logs the error with which the process ends where records are JSON; False if it did not."""
    if not any(
        isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers
    ):
        return False
    log.critical("%s", message)
    return True


def is_logged(record: logging.LogRecord) -> bool:
    """Whether the record is written: all of our own are, and the libraries' from WARNING on."""
    if record.name.startswith(QUIET):
        return (
            record.levelno >= logging.WARNING
            and not record.name.startswith(TOLD_ONCE)
            and not is_no_error(record)
        )
    return True


def _rfc3339(seconds: float) -> str:
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def _tell_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("this process ends with an uncaught error", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value and failure.exc_type is not SystemExit:
        name = failure.thread.name if failure.thread else "?"
        exc_info = (failure.exc_type, failure.exc_value, failure.exc_traceback)
        log.error("thread %s ended with an uncaught error", name, exc_info=exc_info)
