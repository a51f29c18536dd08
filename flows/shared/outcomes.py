"""What has become of the executions of a flow run, and the state in which the run ends for that."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from blocks.contracts.records import ExecutionRecord
from blocks.observability.plain_text import shortened
from blocks.ports import UnreadableRecord
from blocks.ports.flow_runs import REFUSED

PARTLY_FAILED = "PartlyFailed"
NOTHING_TO_DO = "NothingToDo"

Became = Literal["completed", "failed", "cancelled", "waits", "on its own", "elsewhere", "refused"]

_LABELS: dict[Became, str] = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "waits": "waiting for what comes next",
    "on its own": "left to await a person in a run of its own",
    "elsewhere": "left to another run",
    "refused": "refused",
}

_REASONS_NAMED = 3
_TEXT_MAX = 500
"""Characters of one reason in a message; the record has it whole."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one execution became in this run, and why, as a person reads it."""

    became: Became
    reason: str


def outcome_of(
    execution_id: str,
    record: ExecutionRecord | UnreadableRecord | None,
    *,
    flow_run_id: str,
    workflow: str,
) -> Outcome:
    """From the record as the run leaves it; None: its tenant has no such execution."""
    named = f"execution {execution_id[:80]}"
    if isinstance(record, UnreadableRecord):
        return Outcome(became="elsewhere", reason=f"{named} is left as it is: {record}")
    if record and record.workflow == workflow and record.status == "waiting":
        return Outcome(became="waits", reason=f"{named} waits for what comes next")
    if record is None:
        return Outcome(became="refused", reason=f"its tenant has no {named}")
    if record.workflow != workflow:
        return Outcome(became="refused", reason=f"{named} is of {record.workflow}, not {workflow}")
    if record.flow_run_id not in (None, flow_run_id):
        where = f"{named} is {record.status} in flow run {record.flow_run_id}"
        return Outcome(became=_elsewhere(record), reason=where)
    match record.status:
        case "completed":
            lacks = f", without {', '.join(record.missing_steps)}" if record.missing_steps else ""
            return Outcome(became="completed", reason=f"{named} is completed{lacks}")
        case "failed":
            error = f"{record.error_code}: {record.error}" if record.error_code else record.error
            return Outcome(became="failed", reason=f"{error} ({named})")
        case "cancelled":
            return Outcome(became="cancelled", reason=f"{record.error} ({named})")
        case _:
            return Outcome(became=_elsewhere(record), reason=f"{named} goes on in another run")


def _elsewhere(record: ExecutionRecord) -> Became:
    return "on its own" if record.status == "awaiting_approval" else "elsewhere"


def state_of(outcomes: Sequence[Outcome]) -> State[None]:
    """The run's final state. Failed only if nothing is left open and nothing succeeded: the
    executions of a failed run count as ended (`api/reconciler/kinds/ended_runs.py`).
    """
    counts = Counter(outcome.became for outcome in outcomes)
    message = _message(outcomes, counts)
    match set(counts):
        case became if became == {"refused"}:
            return Failed(name=REFUSED, message=message)
        case became if became == {"cancelled"}:
            return Cancelled(message=message)
        case became if "failed" in became and became <= {"failed", "cancelled"}:
            return Failed(message=message)
        case became if became & {"failed", "refused"}:
            return Completed(name=PARTLY_FAILED, message=message)
        case became if became == {"elsewhere"} or _is_a_duplicate(outcomes):
            return Completed(name=NOTHING_TO_DO, message=message)
    return Completed(message=message)


def _is_a_duplicate(outcomes: Sequence[Outcome]) -> bool:
    """A run of one does not give its execution up: another run has taken it to the gate."""
    return [outcome.became for outcome in outcomes] == ["on its own"]


def _message(outcomes: Sequence[Outcome], counts: Counter[Became]) -> str:
    if len(outcomes) == 1:
        return shortened(outcomes[0].reason, _TEXT_MAX)
    counted = ", ".join(f"{counts[one]} {label}" for one, label in _LABELS.items() if counts[one])
    reasons = [
        shortened(outcome.reason, _TEXT_MAX)
        for became in ("refused", "failed", "cancelled")
        for outcome in outcomes
        if outcome.became == became
    ]
    more = [f"and {len(reasons) - _REASONS_NAMED} more"] if len(reasons) > _REASONS_NAMED else []
    return "; ".join([f"{len(outcomes)} executions: {counted}", *reasons[:_REASONS_NAMED], *more])
