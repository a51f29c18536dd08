"""Log records without secrets, whoever formats or sends them."""

import logging
import os
import traceback
from collections.abc import Iterable
from typing import Any

from blocks.observability import log_context, redaction
from blocks.observability.redaction import redacted


def mask_secrets(secrets: Iterable[str] = ()) -> None:
    """No record made from now on holds these, the secrets of the environment, or anything that
    looks like one.
    """
    redaction.keep_secret([*secrets, *redaction.secrets_in_environment(os.environ)])
    logging.setLogRecordFactory(RedactedRecord)


class RedactedRecord(logging.LogRecord):
    """A record without secrets, whoever formats it, and with what was being worked on when it was
    made.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.context = log_context.current()
        if self.exc_info and self.exc_info[0]:
            # A formatter that finds this makes none of its own.
            self.exc_text = redacted("".join(traceback.format_exception(*self.exc_info)).rstrip())
        if self.stack_info:
            self.stack_info = redacted(self.stack_info)

    def getMessage(self) -> str:  # noqa: N802 # the name of the base class
        return redacted(super().getMessage())
