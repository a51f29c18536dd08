"""What the part of every operation has."""

import msgspec


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the operation runs by itself."""

    enabled: bool
    """Whether its schedule starts it; people and events still do."""
    cron: str
