"""What clients send, decoded at the door."""

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec

from blocks.contracts.reading.moments import in_utc_within_limits

PACKET_BYTES_MAX = 16_384
"""Of one packet from a client; a token is the largest thing in it."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""Printable, and without blanks around it, as the routes take ids."""


class BadPayload(ValueError):
    """A client sent something else than it should; the message is for the client."""


class _Sent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of what a client sends; each of its texts but a token is an id."""

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if field == "token" or not isinstance(value, str):
                continue
            if not value.strip() or not value.isprintable():
                raise ValueError(f"{field} must be printable")
            msgspec.structs.force_setattr(self, field, value.strip())


class _Replaying(_Sent, frozen=True, kw_only=True, rename="camel"):
    since: datetime | float | None = None
    """A moment, or milliseconds since 1970 as JavaScript counts them."""
    last_event_id: Text | None = None
    """`eventId` of the last frame that came."""

    @property
    def since_moment(self) -> datetime | None:
        if isinstance(self.since, float):
            try:
                return in_utc_within_limits(datetime.fromtimestamp(self.since / 1000, UTC))
            except (ValueError, OverflowError, OSError):
                raise BadPayload("since is no moment") from None
        return None if self.since is None else in_utc_within_limits(self.since)


class Authenticate(_Replaying, frozen=True, kw_only=True, rename="camel"):
    """A client names its user and shows a credential."""

    user_id: Text
    token: Annotated[str, msgspec.Meta(max_length=PACKET_BYTES_MAX)] | None = None


class Subscribe(_Replaying, frozen=True, kw_only=True, rename="camel"):
    """A client wants to follow a sync; of its own user, if it names none."""

    sync_id: Text
    user_id: Text | None = None


class Unsubscribe(_Sent, frozen=True, kw_only=True, rename="camel"):
    sync_id: Text


T = TypeVar("T", bound=msgspec.Struct)


def read(stated: tuple[Any, ...], kind: type[T]) -> T:
    """The first argument of an event. Raises `BadPayload`."""
    try:
        return msgspec.convert(stated[0] if stated else None, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadPayload(f"The payload is not valid: {error}") from None
