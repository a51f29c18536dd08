"""The settings of cache warm-up; docs/operations/cache-warmup.md."""

from blocks.contracts.reading.limits import Seconds
from blocks.settings.operations.health_monitoring import AtOnce
from blocks.settings.operations.schedule import Scheduled


class CacheWarmup(Scheduled, frozen=True, kw_only=True):
    api_urls: str
    """Of each of the three: `NAME=URL` or a URL, separated by commas; empty: none."""
    cms_urls: str
    session_urls: str
    at_once: AtOnce
    """So many pages are asked for at a time."""
    call_seconds: Seconds
    """So long one page may take."""
