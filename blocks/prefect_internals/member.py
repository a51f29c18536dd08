"""What we rely on in a member of one of Prefect's classes."""

import msgspec


class Member(msgspec.Struct, frozen=True):
    """A member that a subclass of ours overrides or uses, as Prefect's class has it."""

    name: str
    because: str
    """What we assume of it, and why the documented API is not enough."""
    parameters: str | None = None
    """Its signature without annotations; None: it is no method."""
    is_async: bool = False
    called_by: str | None = None
    """The method of Prefect's class that calls or reads it, where we override it."""
