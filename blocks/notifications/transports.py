"""What a way to people is: something that takes a message, and says why when it does not."""

from typing import Protocol

from blocks.notifications.message import Channel, Message
from blocks.processes.retries import AttemptFailed, Retries

ATTEMPT_SECONDS = 8.0
"""So long one attempt may take."""

RETRIES = Retries(first_wait_seconds=1.0, wait_seconds_max=10.0)
"""Of each transport, unless its caller wants others."""


class NotDelivered(Exception):
    """A message could not be handed over, by no transport; the text says why, without secrets."""

    def __init__(self, reason: str, *, is_passing: bool = False) -> None:
        super().__init__(reason)
        self.is_passing = is_passing
        """Whether a later call may succeed."""


class Refused(AttemptFailed):
    """A transport did not take the message in one attempt."""

    def __init__(
        self, reason: str, *, is_passing: bool = False, wait_seconds: float | None = None
    ) -> None:
        super().__init__(reason)
        self.is_passing, self.wait_seconds = is_passing, wait_seconds


class Transport(Protocol):
    """Hands messages over. Holds no connection between two."""

    name: str

    def takes(self, channel: Channel) -> bool: ...

    async def send(self, message: Message, id: str) -> str:
        """The message is on its way; its id there. `id` is the same at every repetition.

        Raises `Refused`.
        """
        ...
