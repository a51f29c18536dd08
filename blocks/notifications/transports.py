"""What a way to people is: something that takes a message, and says why when it does not."""

from typing import Protocol

import msgspec

from blocks.notifications.message import Channel, Message

ATTEMPT_SECONDS = 8.0
"""So long one attempt may take."""


class NotDelivered(Exception):
    """A message could not be handed over, by no transport; the text says why, without secrets."""


class Refused(Exception):
    """An attempt failed."""

    def __init__(
        self, reason: str, *, is_passing: bool = False, wait_seconds: float | None = None
    ) -> None:
        super().__init__(reason)
        self.is_passing = is_passing
        """Whether the next attempt may succeed."""
        self.wait_seconds = wait_seconds
        """The delay that the other side demands."""


class Transport(Protocol):
    """Hands messages over. Holds no connection between two."""

    name: str

    def takes(self, channel: Channel) -> bool: ...

    async def send(self, message: Message, id: str) -> str:
        """The message is on its way; its id there. `id` is the same at every repetition.

        Raises `Refused`.
        """
        ...


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often a transport is tried, and how long is waited in between."""

    attempts: int = 3
    first_wait_seconds: float = 1.0
    """Doubled each time."""
    jitter_seconds: float = 1.0
    wait_seconds_max: float = 10.0
    """A transport that demands a longer delay is not tried again."""
