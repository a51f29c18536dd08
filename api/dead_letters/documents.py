"""Dead letters as they look over HTTP."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from api.http.documents import Document
from api.http.lists import ListPage
from blocks.contracts.records.dead_letters import (
    DeadLetterBody,
    DeadLetterRecord,
    Encoding,
    LetterEntry,
    LetterStatus,
)
from blocks.dead_letters.bulk_replays import Scheduled

RATE_MAX = 100.0
REPLAY_MAX = 1000


class DeadLetterSummary(Document, frozen=True, kw_only=True):
    """A message that was refused, without its body."""

    id: str
    tenant_id: str
    queue: str
    message_id: str
    type: str
    code: str
    reason: str
    status: LetterStatus
    attempts: int
    """The handler's attempts before the last refusal."""
    times: int
    """How often it was refused: once, and again after each replay that failed."""
    created_at: datetime
    """When it was refused first."""
    rejected_at: datetime
    """When it was refused last."""
    size: int
    is_whole: bool
    """False: it was too large, and only its beginning was kept."""
    replay_at: datetime | None = None
    settled_at: datetime | None = None


class DeadLetter(DeadLetterSummary, frozen=True, kw_only=True):
    """A message that was refused, with its body and what was done about it."""

    routing_key: str
    published_at: datetime
    headers: dict[str, str]
    body: str
    body_encoding: Encoding
    """`base64` if the body is not text."""
    history: list[LetterEntry]


class DeadLetterPage(ListPage, frozen=True, kw_only=True):
    """A page of dead letters."""

    items: list[DeadLetterSummary]


class DeadLetterEdit(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The event as it should have been, envelope and data."""

    event: Annotated[dict[str, Any], msgspec.Meta(min_length=1)]


class DeadLetterDiscard(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is discarded."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]


class DeadLetterReplay(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which waiting letters, how fast; none of the filters: all that wait."""

    code: str | None = None
    type: str | None = None
    queue: str | None = None
    created_before: datetime | None = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=RATE_MAX)] = 10.0
    """Messages a second."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=REPLAY_MAX)] = REPLAY_MAX
    """At most so many, the oldest."""


class ReplayScheduled(Document, frozen=True, kw_only=True):
    """The letters that will be replayed; each is `replaying` until its time, then `replayed`."""

    scheduled: int
    skipped: int
    """Only their beginning was kept, or another caller was first."""
    more: bool
    """There are more letters like these: repeat the request when these are done."""
    last_at: datetime | None = None
    """When the last of them is replayed."""


def summary_of(letter: DeadLetterRecord) -> DeadLetterSummary:
    return DeadLetterSummary(**_summary(letter))


def document_of(letter: DeadLetterRecord, body: DeadLetterBody) -> DeadLetter:
    return DeadLetter(
        **_summary(letter),
        routing_key=letter.routing_key,
        published_at=letter.published_at,
        headers=letter.headers,
        body=body.content,
        body_encoding=body.encoding,
        history=letter.history,
    )


def scheduled_of(scheduled: Scheduled) -> ReplayScheduled:
    return msgspec.convert(scheduled, ReplayScheduled, from_attributes=True)


def _summary(letter: DeadLetterRecord) -> dict[str, Any]:
    names = [
        field.name for field in msgspec.structs.fields(DeadLetterSummary) if field.name != "type"
    ]
    return {name: getattr(letter, name) for name in names} | {"type": letter.event_type}
