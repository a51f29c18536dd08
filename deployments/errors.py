"""Errors as a person in front of a terminal reads them: one line and an exit code."""

from blocks.contracts.rejections import Rejected
from blocks.ports import NotFound, Unavailable, Unroutable
from blocks.settings import BadSetting
from deployments.data_dir import DataDirTaken
from deployments.ports_in_use import PortInUse
from deployments.supervisor import ServiceFailed

BAD_INPUT = 2
FAILED = 1

EXIT_CODES: dict[type[Exception], int] = {
    BadSetting: BAD_INPUT,
    Rejected: BAD_INPUT,
    DataDirTaken: FAILED,
    NotFound: FAILED,
    PortInUse: FAILED,
    ServiceFailed: FAILED,
    Unavailable: FAILED,
    Unroutable: FAILED,
}
"""Errors whose own words are enough."""


def explained(error: BaseException) -> tuple[str, int]:
    """What to print, and how to exit. Of several errors at once, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    words = " ".join(str(error).split())
    for kind, exit_code in EXIT_CODES.items():
        if isinstance(error, kind):
            return words, exit_code
    named = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return f"{named} (orchestrator --traceback … shows where)", FAILED
