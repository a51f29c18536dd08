"""What the broker has under a name of ours, but not as this system declares it."""

from typing import Literal

import msgspec

from blocks.ports.errors import Unavailable

DOCUMENTED = 'docs/deploy.md, "Whose is which queue?"'


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A queue or an exchange that exists with other arguments; `argument` is the first that
    differs.

    The broker compares one argument after the other and names no more (RabbitMQ 3.10 to 4).
    """

    kind: Literal["queue", "exchange"]
    name: str
    argument: str
    existing: str
    declared: str
    known_as: str = ""
    """Who declares it so, where that is known."""
    is_neighbours: bool = False
    """Its owner is another service: this system uses it as it is."""

    def __str__(self) -> str:
        whose = "its owner's declaration" if self.is_neighbours else "this system's declaration"
        known = f" ({self.known_as})" if self.known_as else ""
        return (
            f"{self.kind} {self.name} exists with other arguments: {self.argument} is "
            f"{self.existing} there{known}, and {self.declared} in {whose}"
        )

    @property
    def todo(self) -> str:
        if self.kind == "exchange":
            return f"delete it, or name another in RABBITMQ_EXCHANGE ({DOCUMENTED})"
        if self.is_neighbours:
            return f"move its messages aside, delete it, run bootstrap ({DOCUMENTED})"
        return f"move its messages aside and delete it, or name another ({DOCUMENTED})"


class DeclaredOtherwise(Unavailable):
    """The broker is there, and waiting does not help: a queue or an exchange exists with other
    arguments.

    It is `Unavailable` so that whoever has a message in hand keeps it until an operator has acted;
    whoever waits for the broker to come gives up at once.
    """

    def __init__(self, mismatch: Mismatch) -> None:
        super().__init__(f"{mismatch}; {mismatch.todo}")
        self.mismatch = mismatch
