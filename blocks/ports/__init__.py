"""The ports: guarantees and errors of each outside system. Adapters live in `blocks.adapters`.

Purpose: three Protocols (`EventBus`, `RecordStore`, `FlowRuns`) that the rest of the system is
written against.
Contract: one behaviour suite per port in `tests/ports`, run against every adapter, embedded ones
included.
Pitfalls: an adapter translates its SDK's errors into those of `errors`; no SDK type leaves its
adapter.
"""

from blocks.ports.errors import (
    AlreadyExists,
    NotFound,
    Stale,
    Throttled,
    TooLarge,
    Unavailable,
    UnreadableRecord,
    Unroutable,
    WrongVersion,
)
from blocks.ports.event_bus import Consumer, EventBus, Subscriber
from blocks.ports.flow_runs import FlowRuns, FlowRunView, UpcomingTick
from blocks.ports.messages import (
    MESSAGE_BYTES_MAX,
    Accept,
    BunchHandler,
    Collector,
    Delivery,
    Handler,
    Message,
    Queue,
    QueueView,
    Reject,
    Retry,
    SignalHandler,
    Verdict,
)
from blocks.ports.mismatch import DeclaredOtherwise, Mismatch
from blocks.ports.record_store import (
    NO_CONDITION,
    RECORD_BYTES_MAX,
    Between,
    Contains,
    NotAbove,
    Page,
    Query,
    R,
    R_co,
    RecordStore,
    Stored,
    Where,
)

__all__ = [
    "MESSAGE_BYTES_MAX",
    "NO_CONDITION",
    "RECORD_BYTES_MAX",
    "Accept",
    "AlreadyExists",
    "Between",
    "BunchHandler",
    "Collector",
    "Consumer",
    "Contains",
    "DeclaredOtherwise",
    "Delivery",
    "EventBus",
    "FlowRunView",
    "FlowRuns",
    "Handler",
    "Message",
    "Mismatch",
    "NotAbove",
    "NotFound",
    "Page",
    "Query",
    "Queue",
    "QueueView",
    "R",
    "R_co",
    "RecordStore",
    "Reject",
    "Retry",
    "SignalHandler",
    "Stale",
    "Stored",
    "Subscriber",
    "Throttled",
    "TooLarge",
    "Unavailable",
    "UnreadableRecord",
    "Unroutable",
    "UpcomingTick",
    "Verdict",
    "Where",
    "WrongVersion",
]
