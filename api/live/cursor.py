"""Where in the stream a follower stands, in a form that any API process understands."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

from api.http.errors import InvalidRequest, Problem

_WRITTEN = re.compile(
    r"([0-9a-f]{1,16})-([0-9a-f]{1,16})-([0-9a-f]{8})-([0-9a-f]{16})-([0-9a-f]{16})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cursor(msgspec.Struct, frozen=True):
    """Everything was sent up to the `number`th event that process `instance` received, at `at`."""

    at: datetime
    number: int
    instance: str
    mark: str
    """Of that event, whoever's it was: other processes know it by this."""

    def written(self, tenant_id: str) -> str:
        """As the id of a message to this tenant."""
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        text = f"{microseconds:x}-{self.number:x}-{self.instance}-{self.mark}"
        return f"{text}-{_digest(tenant_id, text)}"


def cursor_in(written: str, tenant_id: str, source: str) -> Cursor:
    """Raises `InvalidRequest` for anything that was never given to this tenant."""
    found = _WRITTEN.fullmatch(written)
    # Against mix-ups, not against forgery: a forged one still reads no other tenant's events.
    if found is None or found[5] != _digest(tenant_id, written.rpartition("-")[0]):
        field = "Last-Event-ID" if source == "header" else "lastEventId"
        raise InvalidRequest(
            Problem(field=field, message="Not an id of this stream", source=source)
        )
    try:
        at = _EPOCH + timedelta(microseconds=int(found[1], 16))
    except OverflowError:
        at = datetime.max.replace(tzinfo=UTC)
    return Cursor(at, int(found[2], 16), found[3], found[4])


def mark_of(event_id: str) -> str:
    """Identifies an event without revealing its id."""
    return sha256(event_id.encode()).hexdigest()[:16]


def _digest(tenant_id: str, text: str) -> str:
    return sha256(f"{tenant_id}\n{text}".encode()).hexdigest()[:16]
