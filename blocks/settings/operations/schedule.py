"""What the part of every operation has: what starts it."""

import msgspec


class Started(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operation that events start."""

    events: str
    """Their types, separated by commas."""


class Scheduled(Started, frozen=True, kw_only=True):
    """An operation that has a schedule, too."""

    enabled: bool
    """Whether its schedule starts it; people and events still do."""
    cron: str
