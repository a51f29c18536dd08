"""Metrics of a listener: the outcomes of the events it received, and its dispatcher's progress."""

from prometheus_client import Counter, Gauge, Histogram

from blocks.contracts import rejections
from blocks.contracts.events import CONSUMED
from blocks.contracts.operations.platform_events import POSTED
from blocks.observability.metrics import OTHER, SECONDS_OF_WORK, known

EVENTS = Counter(
    "workflow_orchestrator_intake_events_total",
    "Events by what became of them: created, absorbed, duplicate, recorded, late, …, refused, "
    "or unhandled: not for us",
    ["event_type", "outcome"],
)
REFUSED = Counter(
    "workflow_orchestrator_intake_refused_total",
    "Messages that can never be accepted, by code",
    ["code"],
)

REDIS_EVENTS = Counter(
    "workflow_orchestrator_redis_events_total",
    "Events between this system and Redis, by direction (in, out) and what became of them",
    ["direction", "outcome"],
)

WAITING = Gauge(
    "workflow_orchestrator_dispatch_executions_waiting",
    "Executions that wait in this listener to be dispatched",
)
HELD_UP = Gauge(
    "workflow_orchestrator_dispatch_held_up",
    "1 while what waits in this listener cannot be dispatched",
)
UNSTARTED = Gauge(
    "workflow_orchestrator_dispatch_flow_runs_unstarted",
    "Flow runs that this listener knows of, those of other listeners included, and of which no "
    "worker has reported yet that its requests are out",
)
START_SECONDS = Histogram(
    "workflow_orchestrator_dispatch_start_seconds",
    "Seconds from the dispatch of a flow run until its requests are out; of what joins an open "
    "run, until that has taken it",
    buckets=SECONDS_OF_WORK,
)


def event_became(event_type: str, outcome: str) -> None:
    EVENTS.labels(known(event_type, CONSUMED), outcome).inc()


def platform_event_became(outcome: str) -> None:
    """Of an event for operations, whose types senders choose."""
    EVENTS.labels(POSTED, outcome).inc()


def refused(code: str) -> None:
    """A message is on its way to the dead letters; of what type it is, is the
    sender's word only.
    """
    EVENTS.labels(OTHER, "refused").inc()
    REFUSED.labels(known(code, rejections.OF_MESSAGES)).inc()
