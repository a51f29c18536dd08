"""The settings of performance optimization; docs/operations/performance-optimization.md."""

from typing import Annotated

import msgspec

from blocks.settings.operations.schedule import Scheduled

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Megabytes = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
# One that begins with a wildcard would be about keys of every kind.
KeyPatterns = Annotated[
    str, msgspec.Meta(pattern=r"^$|^ *[^,*?\[\\\s][^,]*(, *[^,*?\[\\\s][^,]*)*$")
]


class PerformanceOptimization(Scheduled, frozen=True, kw_only=True):
    """Without tables and keys, it measures and changes nothing."""

    database_url: str
    """`postgresql://user:password@host:5432/database`; empty: none."""
    vacuum_tables: str
    """The tables that may be vacuumed and analysed, as `public.orders`, separated by commas."""
    vacuum_over_percent: Percent
    """They are, when so many of their rows are dead."""
    redis_url: str
    """`redis://:password@host:6379/0`; empty: none."""
    purge_keys: KeyPatterns
    """The keys that may be deleted, as Redis patterns (`cache:*`), separated by commas."""
    purge_over_megabytes: Megabytes
    """They are, when Redis uses so much memory."""
    collect_over_percent: Percent
    """The worker's garbage is collected, when so much of its machine's memory is used."""

    def __repr__(self) -> str:
        return f"PerformanceOptimization(cron={self.cron!r}, database_url='***', redis_url='***')"
