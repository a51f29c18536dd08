"""The doors to the outside: what each promises, and the errors it raises. Adapters live beside this file.

Purpose: three Protocols (`EventBus`, `RecordStore`, `FlowRuns`) that the rest of the system is written against.
Contract: one behaviour suite per port in `tests/ports`, run against every adapter, embedded ones included.
Pitfalls: an adapter translates its SDK's errors into the ones below; no SDK type leaves its adapter.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from blocks.contracts.records import Record

# --- errors ----------------------------------------------------------------------------------------------------------


class Unavailable(Exception):
    """The outside system does not answer now. The same call may succeed later; nothing is known to have happened."""


class Throttled(Unavailable):
    """The outside system answers, but takes no more from us now: come back after so many seconds."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unroutable(Exception):
    """The broker has no queue for this message, and the caller required one. Nothing was stored."""


class AlreadyExists(Exception):
    """A record of this id is there already: somebody was first, perhaps ourselves before a crash."""


class NotFound(Exception):
    """The tenant has no such record. Another tenant's record is not found either."""


class Stale(Exception):
    """The record changed since it was read: read it again and decide anew."""


# --- events ----------------------------------------------------------------------------------------------------------


MESSAGE_BYTES_MAX = 256 * 1024


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on the bus. `id` travels as the broker's message id, so a repeated publish can be told from a new one."""

    id: str
    routing_key: str
    body: bytes
    timestamp: datetime
    headers: Mapping[str, str] = {}
    cut_from: int | None = None
    """Of a message too large to be handed over: the bytes it has, while `body` is only their beginning."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message handed to a consumer. `attempt` counts the handler's own failures plus one; a crash adds nothing."""

    message: Message
    queue: str
    attempt: int = 1
    redelivered: bool = False


class Accept(msgspec.Struct, frozen=True):
    """Done with this message for good."""


class Reject(msgspec.Struct, frozen=True):
    """Never acceptable: goes to the dead-letter queue with its original body and these two headers."""

    code: str
    reason: str


class Retry(msgspec.Struct, frozen=True):
    """Not now: comes back after a delay, and to the dead-letter queue as `code` after too many attempts."""

    code: str
    reason: str
    delay_seconds: float | None = None
    """None: the queue's own. Hours need a queue that `has_long_delays`."""
    counts: bool = True
    """False: this was no attempt, and the message comes back as the same one."""


Verdict = Accept | Reject | Retry

Handler = Callable[[Delivery], Awaitable[Verdict]]
"""Judges one delivery. Raising `Unavailable` hands it back uncounted and pauses; any other exception is a `Retry`."""

Collector = Callable[[Message], Awaitable[None]]
"""Takes one dead letter; when it has returned, the letter is its own."""

SignalHandler = Callable[[bytes], Awaitable[None]]


class Hearer(Protocol):
    """Who overhears events; neither method waits for anything."""

    def heard(self, message: Message) -> None:
        """An event that was published just now; it may come twice."""
        ...

    def missed(self) -> None:
        """From now on events are heard again; of those published before, some may never have been."""
        ...


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """A durable queue with its dead-letter queue. `bindings` are routing-key patterns (`*` one word, `#` any)."""

    name: str
    bindings: Sequence[str]
    max_attempts: int = 5
    retry_delay_seconds: float = 5.0
    max_bytes: int = MESSAGE_BYTES_MAX
    """A larger message is a dead letter (`too-large`) before any handler sees it, and never in memory as a whole."""
    has_long_delays: bool = False
    """Its handler's retries name delays of their own, each another, up to hours; none waits behind a longer one."""

    @property
    def dead_letters(self) -> str:
        return f"{self.name}.dead-letters"


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """A queue as the broker shows it; None: this broker does not tell."""

    ready: int
    """Messages that wait to be delivered."""
    in_hand: int | None = None
    """Messages that a consumer holds and has not acknowledged."""
    consumers: int | None = None
    mismatch: str | None = None
    """How it differs from what would be declared."""


class Consumer(Protocol):
    """A running consumption of one queue."""

    @property
    def is_registered(self) -> bool:
        """True while the broker knows this consumer, so that messages really arrive."""
        ...


class EventBus(Protocol):
    """Durable, at-least-once, confirmed events on one topic exchange, and transient signals beside them."""

    async def declare(self, *queues: Queue) -> None:
        """The exchange, these queues, their bindings, retry and dead-letter queues exist. Idempotent."""
        ...

    async def publish(self, *messages: Message, required: bool = False) -> None:
        """All messages are durable on the broker. With `required`, raises `Unroutable` if one reached no queue.

        Raises `Unavailable` when not all were confirmed in time: publish the same messages, with the same ids, again.
        """
        ...

    def consume(
        self, queue: Queue, handler: Handler, *, concurrency: int = 32
    ) -> AbstractAsyncContextManager[Consumer]:
        """Hands every message of the queue to the handler, at most `concurrency` at once, while the context lasts.

        A message is acknowledged only as its verdict says; leaving the context finishes what is in hand and gives the
        rest back. The queue must have been declared. Reconnects by itself; `is_registered` tells whether it is live.
        """
        ...

    def collect(self, queue: Queue, collector: Collector) -> AbstractAsyncContextManager[Consumer]:
        """Hands the queue's dead letters to the collector, a few at once, while the context lasts.

        A letter leaves the bus once the collector has returned. If it raises, whatever it raises, the letter stays
        where it is and comes again after a pause. Of a large letter comes the beginning, see `Message.cut_from`.
        """
        ...

    async def deliver(self, queue: str, *messages: Message) -> None:
        """The messages are durable in this one queue, under their own routing keys, whatever it is bound to.

        Raises `Unroutable` if there is no such queue, `Unavailable` as `publish` does.
        """
        ...

    async def broadcast(self, topic: str, body: bytes) -> None:
        """Everyone listening to the topic right now probably hears this; nothing is stored, nothing raised."""
        ...

    def listen(self, topic: str, handler: SignalHandler) -> AbstractAsyncContextManager[None]:
        """The handler hears broadcasts of the topic while the context lasts. Signals can be lost: re-read, too."""
        ...

    def overhear(self, patterns: Sequence[str], hearer: Hearer) -> AbstractAsyncContextManager[None]:
        """The hearer hears every event published from now on whose type matches a pattern, while the context lasts.

        What one publisher publishes comes in its order. Nothing is kept for a hearer, and no publisher ever waits for
        one: whoever was cut off, even for a moment, or is seconds behind, is told so (`missed`) once it hears again.
        """
        ...

    async def depth(self, queue: str) -> int:
        """Messages waiting in this queue (a dead-letter queue, too). Raises `NotFound` for one nobody declared."""
        ...

    async def peek(self, queue: str, limit: int = 100) -> list[Message]:
        """The oldest messages of a queue, left where they are (they may come out marked as redelivered).

        Of one of more than `MESSAGE_BYTES_MAX`, the beginning.
        """
        ...

    async def inspect(self, queue: Queue) -> QueueView:
        """The queue as it is; nothing is changed. Raises `NotFound` for one nobody declared."""
        ...

    async def describe(self) -> str:
        """What the broker is, with its version."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless the broker answers now."""
        ...


# --- records ---------------------------------------------------------------------------------------------------------

R = TypeVar("R", bound=Record)
R_co = TypeVar("R_co", bound=Record, covariant=True)


class Stored(msgspec.Struct, Generic[R_co], frozen=True):
    """A record as it was read, with the ETag that a replace must show."""

    record: R_co
    etag: str


class Contains(msgspec.Struct, frozen=True):
    """In a query: the field is a list that contains this value."""

    value: str


class NotAbove(msgspec.Struct, frozen=True):
    """In a query: the field is a number of at most this value, or it has no value."""

    value: float


class Between(msgspec.Struct, frozen=True, kw_only=True):
    """In a query, for `created_at` alone: not before `since`, and before `until`."""

    since: datetime | None = None
    until: datetime | None = None


Where = Mapping[str, Any]
"""Field name (snake_case) to wanted value: a scalar or None is equality, a tuple any of, `Contains` looks in a list,
`Between` limits the age, `NotAbove` a number."""


class Page(msgspec.Struct, Generic[R_co], frozen=True):
    """A slice of an answer, and the opaque `continuation` that asks for the next one (None: this was the last)."""

    items: list[Stored[R_co]]
    continuation: str | None = None


class RecordStore(Protocol):
    """Documents by tenant. Every method takes the tenant first, and no method can see past it."""

    async def provision(self) -> None:
        """The database and its containers exist. Idempotent."""
        ...

    async def create(self, tenant_id: str, record: R) -> Stored[R]:
        """The record is durable. Raises `AlreadyExists` if the id is taken; nothing is overwritten."""
        ...

    async def read(self, tenant_id: str, kind: type[R], id: str) -> Stored[R]:
        """Raises `NotFound` for an unknown id, another tenant's id, or a record of another kind."""
        ...

    async def replace(self, tenant_id: str, etag: str, record: R) -> Stored[R]:
        """The record is durable in its new form. Raises `Stale` if it changed since, `NotFound` if it is gone.

        Raises `ValueError` for a kind that is `append_only`, and so does `delete`.
        """
        ...

    async def delete(self, tenant_id: str, kind: type[R], id: str) -> None:
        """The record is gone. Deleting what is not there is no error."""
        ...

    async def query(
        self,
        tenant_id: str,
        kind: type[R],
        where: Where | None = None,
        *,
        newest_first: bool = True,
        limit: int = 100,
        continuation: str | None = None,
    ) -> Page[R]:
        """Records of this kind that match, ordered by (`created_at`, `id`). `limit` is at most 1,000 a page.

        Raises `ValueError` for a continuation that is not one of ours for this tenant.
        """
        ...

    async def count(self, tenant_id: str, kind: type[R], where: Where | None = None) -> int:
        """How many records of this kind match."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless the store answers now."""
        ...


# --- flow runs -------------------------------------------------------------------------------------------------------


class FlowRunView(msgspec.Struct, frozen=True, kw_only=True):
    """What Prefect says of a flow run. `state` is the state type in lower case, `run_count` how often it began."""

    id: str
    state: str
    state_name: str
    state_at: datetime
    run_count: int
    message: str | None
    tenant_id: str
    execution_ids: list[str]
    job: str | None = None
    """The batch job that the run triggers; its execution names the run, not the other way round."""
    kept_from_others: bool = False
    """Its process has tried it again once: until it is rescheduled, Prefect shows it to no other worker."""


class FlowRuns(Protocol):
    """Prefect, as far as we need it: start, see, stop and reschedule runs of a workflow's deployment."""

    async def start(self, workflow: str, tenant_id: str, execution_ids: Sequence[str], *, key: str, name: str) -> str:
        """A flow run of the deployment is scheduled, once per `key`; returns its id."""
        ...

    async def list_runs(
        self, *, states: Sequence[str], name: str | None = None, since: datetime | None = None
    ) -> list[FlowRunView]:
        """Our flow runs in these state types (lower case), oldest first, whose state is not older than `since`.

        With `name`, only those whose state has this name.
        """
        ...

    async def read_runs(self, flow_run_ids: Sequence[str]) -> list[FlowRunView]:
        """Those of these runs that Prefect knows, in no order."""
        ...

    async def reschedule(self, run: FlowRunView, reason: str) -> None:
        """A run that nobody carries any more is scheduled again, under the same id, for any worker."""
        ...

    async def resume(self, flow_run_id: str, run_input: Mapping[str, Any]) -> bool:
        """The suspended run goes on with this input. False if Prefect refused it (not suspended, wrong input)."""
        ...

    async def cancel(self, flow_run_id: str) -> None:
        """Prefect was asked to cancel the run."""
        ...

    async def mark_cancelled(self, flow_run_id: str, reason: str) -> None:
        """A run that was being cancelled when its worker died is cancelled: nobody else would tell Prefect so."""
        ...

    async def ping(self) -> None:
        """Raises `Unavailable` unless Prefect's API answers now."""
        ...
