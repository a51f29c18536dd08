"""A subscriber to events, for tests."""

from collections.abc import Awaitable, Callable

from blocks.ports import Message


class RememberingSubscriber:
    """Remembers what it received, and how often it was informed that something was missed."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.interruptions = 0

    def on_event(self, message: Message) -> None:
        self.messages.append(message)

    def on_gap(self) -> None:
        self.interruptions += 1

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.messages]

    def has(self, id: str) -> Callable[[], Awaitable[bool]]:
        """For `eventually`: this message was received."""

        async def received() -> bool:
            return id in self.ids

        return received

    async def was_interrupted(self) -> bool:
        """For `eventually`."""
        return self.interruptions > 0
