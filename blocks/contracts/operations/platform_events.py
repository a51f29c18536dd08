"""Events that start operations: from whoever posts them, and from other services' exchanges.

Source of the envelope `{id, type, payload, timestamp, source}`: the platform's operations service.
On RabbitMQ the platform's own envelope (`data` for `payload`) is read, too. The tenant, if one is
stated, does not matter: operations are the platform's.
"""

import hashlib
import re
from datetime import datetime
from typing import Any

import msgspec

from blocks.contracts import rejections
from blocks.contracts.events.catalogue import CONSUMED, PUBLISHED
from blocks.contracts.reading import lenient
from blocks.contracts.reading.carriable import uncarriable
from blocks.contracts.reading.moments import Moment, in_utc
from blocks.contracts.reading.normalised import MatchingId, Normalised
from blocks.contracts.reading.repeated_keys import RepeatedKey, refuse_repeated_keys
from blocks.contracts.rejections import Rejected

POSTED = "workflow.event.posted"
"""From this system to its listener: an event for the log, whatever its type."""

TAKEN = "workflow.event.taken"
"""From the listener to its bridge to Redis: an event that has just been entered in the log."""

BYTES_MAX = 256 * 1024

_TYPE = re.compile(r"[A-Za-z0-9_-]{1,80}(\.[A-Za-z0-9_-]{1,80}){0,7}", re.ASCII)
_ID_LENGTH_MAX = 200


class PlatformEvent(Normalised, frozen=True, kw_only=True):
    """An event of the platform's operations."""

    id: MatchingId
    type: str
    payload: Any = {}
    timestamp: Moment
    source: str = "unknown"

    @property
    def digest(self) -> str:
        """SHA-256 of what it states; by whichever way it comes, it is the same."""
        stated = msgspec.json.encode([self.type, self.payload], order="deterministic")
        return hashlib.sha256(stated).hexdigest()


class ReservedType(ValueError):
    """Events of this type are made, or read, by this system itself."""


def check_type(event_type: str) -> None:
    """Raises `ValueError` unless such an event can be posted, and start an operation."""
    if not _TYPE.fullmatch(event_type):
        raise ValueError("must be words of letters, digits, - and _ with dots between them")
    if event_type in CONSUMED or event_type in PUBLISHED or event_type.startswith("workflow."):
        raise ReservedType("is a type of this system's own")


def read_platform_event(body: bytes, *, received_at: datetime) -> PlatformEvent:
    """The event in these bytes, in either envelope. Raises `Rejected`."""
    if len(body) > BYTES_MAX:
        raise Rejected(rejections.TOO_LARGE, f"{len(body):,} bytes; at most {BYTES_MAX:,}")
    try:
        envelope = lenient.decode(body, _decoder)
        refuse_repeated_keys(body)
    except msgspec.ValidationError as error:
        raise Rejected(rejections.SCHEMA_INVALID, str(error).replace("`$", "`event")) from None
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
        RepeatedKey,
        ValueError,
    ) as error:
        raise Rejected(rejections.MALFORMED_JSON, str(error) or type(error).__name__) from None
    event = PlatformEvent(
        id=envelope.id,
        type=envelope.type,
        payload=envelope.payload if envelope.payload is not msgspec.UNSET else envelope.data,
        timestamp=envelope.timestamp or in_utc(received_at),
        source=envelope.source if isinstance(envelope.source, str) else envelope.source.service,
    )
    _check(event)
    return event


class _Source(msgspec.Struct, frozen=True):
    service: str = "unknown"


class _Envelope(Normalised, frozen=True, kw_only=True):
    id: MatchingId
    type: str
    payload: Any = msgspec.UNSET
    data: Any = {}
    timestamp: datetime | None = None
    source: str | _Source = "unknown"


_decoder = msgspec.json.Decoder(_Envelope)


def _check(event: PlatformEvent) -> None:
    if not 1 <= len(event.id) <= _ID_LENGTH_MAX:
        raise Rejected(rejections.SCHEMA_INVALID, "id must have 1 to 200 characters")
    try:
        check_type(event.type)
    except ValueError as problem:
        raise Rejected(rejections.SCHEMA_INVALID, f"type {event.type[:80]!r} {problem}") from None
    if why := uncarriable(event):
        raise Rejected(rejections.SCHEMA_INVALID, why)
