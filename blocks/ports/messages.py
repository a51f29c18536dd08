"""Messages, queues, and the verdicts on a delivery."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from blocks.ports.mismatch import Mismatch

MESSAGE_BYTES_MAX = 256 * 1024


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on the bus. `id` travels as the broker's message id, which identifies repeats."""

    id: str
    routing_key: str
    body: bytes
    timestamp: datetime
    headers: Mapping[str, str] = {}
    cut_from: int | None = None
    """Of a message too large to be handed over: the bytes it has, while `body` is only their
    beginning.
    """


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message handed to a consumer. `attempt` counts the handler's own failures plus one; a crash
    adds nothing.
    """

    message: Message
    queue: str
    attempt: int = 1
    redelivered: bool = False


class Accept(msgspec.Struct, frozen=True):
    """The message is settled."""


class Reject(msgspec.Struct, frozen=True):
    """Never acceptable: goes to the dead-letter queue with its original body and
    these two headers.
    """

    code: str
    reason: str


class Retry(msgspec.Struct, frozen=True):
    """Not now: comes back after a delay, and to the dead-letter queue as `code` after too many
    attempts.
    """

    code: str
    reason: str
    delay_seconds: float | None = None
    """None: the queue's own. Hours need a queue that `has_long_delays`."""
    counts: bool = True
    """False: this was no attempt, and the message comes back as the same one."""


Verdict = Accept | Reject | Retry

Handler = Callable[[Delivery], Awaitable[Verdict]]
"""Judges one delivery. Raising `Unavailable` hands it back uncounted and pauses; any other
exception is a `Retry`.
"""

BunchHandler = Callable[[Sequence[Delivery]], Awaitable[Sequence[Verdict | Exception]]]
"""Judges deliveries that have come together, each for itself: its verdict, or what a `Handler` of
it alone would have raised. If it raises itself, it is asked again for each of them alone.
"""

Collector = Callable[[Message], Awaitable[None]]
"""Takes one dead letter; when it has returned, the letter is its own."""

SignalHandler = Callable[[bytes], Awaitable[None]]


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """A durable queue with its dead-letter queue. `bindings` are routing-key patterns (`*` one
    word, `#` any).
    """

    name: str
    bindings: Sequence[str]
    max_attempts: int = 5
    retry_delay_seconds: float = 5.0
    max_bytes: int = MESSAGE_BYTES_MAX
    """A larger message is a dead letter (`too-large`) before any handler sees it, and never in
    memory as a whole.
    """
    has_long_delays: bool = False
    """Its handler's retries name delays of their own, each another, up to hours; none waits behind
    a longer one.
    """
    is_neighbours: bool = False
    """Another service declares it, plainly, and consumes it: it is declared as that service does,
    or used as it is found. Only its dead-letter and retry queues are this system's.
    """

    @property
    def dead_letters(self) -> str:
        return f"{self.name}.dead-letters"


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """A queue as the broker shows it; None: this broker does not report it."""

    ready: int
    """Messages that wait to be delivered."""
    in_hand: int | None = None
    """Messages that a consumer holds and has not acknowledged."""
    consumers: int | None = None
    mismatch: Mismatch | None = None
    """How it differs from what would be declared."""
