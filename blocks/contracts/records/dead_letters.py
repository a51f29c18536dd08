"""What is kept of a message that was refused: a letter, its body beside it, and all that was done
to it.
"""

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from blocks.contracts.reading.normalised import Normalised
from blocks.contracts.records import Record

LetterStatus = Literal["waiting", "replaying", "replayed", "discarded"]
"""`replaying`: it goes back to its queue at its time, and does so again if a crash
comes between.
"""

SETTLED: tuple[LetterStatus, ...] = ("replayed", "discarded")

Encoding = Literal["utf-8", "base64"]


class Who(msgspec.Struct, frozen=True):
    """Who acts, through which channel: `api`, `cli`, or this system itself."""

    actor: str | None
    channel: str


class LetterEntry(Normalised, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One thing that happened to a letter; entries are only ever added."""

    what: Literal["refused", "edited", "replaying", "replayed", "discarded", "stranded"]
    """`stranded`: its queue was gone when it was replayed."""
    at: datetime
    actor: str | None = None
    channel: str | None = None
    note: str | None = None


class DeadLetterRecord(Record, frozen=True, kw_only=True, tag="dead-letter"):
    """A refused message, without its body. It belongs to the tenant its body names, else to the
    platform itself.
    """

    container: ClassVar[str] = "workflow_dead_letters"

    queue: str
    """Whose consumer refused it, and where a replay goes."""
    message_id: str
    routing_key: str
    event_type: str
    """From its body, else its routing key."""
    published_at: datetime
    headers: dict[str, str]
    """As its publisher set them."""
    code: str
    reason: str
    attempts: int
    """How often its handler tried, the last time it was refused."""
    rejected_at: datetime
    """The last time; `created_at` is the first."""
    times: int = 1
    """How often it was refused: once, and again after each replay that did not help."""
    size: int
    is_whole: bool = True
    """False: it was too large, and only its beginning was kept."""
    digest: str
    """SHA-256 of the body as it is now: with the letter's id, the key of the `DeadLetterBody`."""
    status: LetterStatus = "waiting"
    replay_at: datetime | None = None
    """While it is `replaying`: when it is published, or published again."""
    settled_at: datetime | None = None
    history: list[LetterEntry] = msgspec.field(default_factory=list)
    version: int = 1
    """Counts what happened to it; the ETag of the wire."""

    @property
    def body_id(self) -> str:
        return f"{self.id}:{self.digest}"


class DeadLetterBody(Record, frozen=True, kw_only=True, tag="dead-letter-body"):
    """One version of a letter's body, never changed; kept apart, so that a list of letters reads
    none.
    """

    container: ClassVar[str] = "workflow_dead_letters"

    letter_id: str
    encoding: Encoding
    content: str

    def __repr__(self) -> str:  # it is a tenant's data, and in no log
        return f"DeadLetterBody(id={self.id!r}, tenant_id={self.tenant_id!r})"
