"""Phases of claim recovery, each counted by the worker that does it."""

from prometheus_client import Counter, Histogram

from blocks.contracts.claims.phases import PHASES
from blocks.contracts.records.claims import PhaseRecord
from blocks.observability.metrics import SECONDS_OF_WORK

PHASE_TRANSITIONS = Counter(
    "workflow_orchestrator_phase_transitions_total",
    "Phases of claim recovery that were started, completed, failed or rolled back",
    ["phase", "transition"],
)
PHASE_SECONDS = Histogram(
    "workflow_orchestrator_phase_duration_seconds",
    "Seconds from the first attempt of a phase to its end, by outcome",
    ["phase", "outcome"],
    buckets=SECONDS_OF_WORK,
)
PHASE_LIMIT_EXCEEDED = Counter(
    "workflow_orchestrator_phase_limit_exceeded_total",
    "Phases that took longer than their service level, or still run past it",
    ["phase"],
)
FEES_MISMATCHED = Counter(
    "workflow_orchestrator_fees_mismatched_total",
    "Fees whose charge, as the payment service answered it, is not what the ledger has",
)


def began(record: PhaseRecord) -> None:
    """An attempt of the phase was begun."""
    PHASE_TRANSITIONS.labels(PHASES[record.phase].name, "started").inc()


def exceeded(record: PhaseRecord) -> None:
    """The phase runs, past its limit."""
    PHASE_LIMIT_EXCEEDED.labels(PHASES[record.phase].name).inc()


def ended(record: PhaseRecord, outcome: str, seconds: float, *, rolled_back: bool) -> None:
    """The phase has ended; `outcome` is `completed` or `failed`."""
    name = PHASES[record.phase].name
    PHASE_TRANSITIONS.labels(name, outcome).inc()
    PHASE_SECONDS.labels(name, outcome).observe(seconds)
    if rolled_back:
        PHASE_TRANSITIONS.labels(name, "rolled_back").inc()
