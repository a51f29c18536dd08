"""Errors for a person at a terminal: one line and an exit code."""

from blocks.approvals.stand_ins import InvalidStandIn
from blocks.contracts.jobs import InvalidTrigger
from blocks.contracts.rejections import Rejected
from blocks.dead_letters.letters import AnothersTenant
from blocks.definitions.rules import InvalidDefinition
from blocks.jobs.triggers import RequestReused
from blocks.operations.runs import UnknownOperation
from blocks.settings import BadSetting

BAD_INPUT = 2
FAILED = 1

_BAD_INPUT = (
    AnothersTenant,
    BadSetting,
    InvalidDefinition,
    InvalidStandIn,
    InvalidTrigger,
    Rejected,
    RequestReused,
    UnknownOperation,
)

_OURS = ("api", "blocks", "deployments", "flows", "listeners")


def explained(error: BaseException) -> tuple[str, int]:
    """What to print, and how to exit. Of several errors at once, the first; our own are worded for
    people.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    words = " ".join(str(error).split())
    if isinstance(error, _BAD_INPUT):
        return words, BAD_INPUT
    if words and type(error).__module__.partition(".")[0] in _OURS:
        return words, FAILED
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}", FAILED
    named = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return f"{named} (orchestrator --traceback … shows where)", FAILED
