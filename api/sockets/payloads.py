"""What clients send, decoded at the door."""

from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from blocks.contracts.reading.normalised import SEARCH_BOUND, Normalised

PACKET_BYTES_MAX = 16_384
"""Of one packet from a client; a token is the largest thing in it."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""Printable, and without blanks around it, as the routes take ids."""


class BadPayload(ValueError):
    """A client sent something else than it should; the message is for the client."""


class _Sent(Normalised, frozen=True, kw_only=True, rename="camel"):
    """Base of what a client sends; each of its texts but a token is an id."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if field == "token" or not isinstance(value, str):
                continue
            if not value.strip() or not value.isprintable():
                raise ValueError(f"{field} must be printable")
            msgspec.structs.force_setattr(self, field, value.strip())


class _Replaying(_Sent, frozen=True, kw_only=True, rename="camel"):
    since: Annotated[datetime | float | None, SEARCH_BOUND] = None
    """A moment, or milliseconds since 1970 as JavaScript counts them."""
    last_event_id: Text | None = None
    """`eventId` of the last frame that came."""

    @property
    def since_moment(self) -> datetime | None:
        """In UTC, and within the years that can be reckoned with."""
        return self.since if isinstance(self.since, datetime) else None


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
