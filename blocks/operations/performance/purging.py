"""Deletion of the Redis keys that the settings allow, when Redis uses too much memory."""

from blocks.contracts.events import JsonObject
from blocks.operations.performance.redis_server import Client, connected, figures_of
from blocks.operations.work import NotConfigured
from blocks.settings.auth import words
from blocks.settings.operations import PerformanceOptimization

_MEGABYTE = 1_000_000
_AT_ONCE = 500


async def purge(settings: PerformanceOptimization) -> JsonObject:
    """If Redis uses more memory than the limit, the keys of the patterns are gone, and no other.

    Returns `memoryOptimized`, `keysPurged`, `redisBytesBefore` and `redisBytesAfter`. Memory is
    freed by the server in the background, so the last may still fall. Raises `NotConfigured` and
    `RedisFailed`.
    """
    patterns = words(settings.purge_keys)
    if not settings.redis_url:
        raise NotConfigured("REDIS_URL names no Redis")
    if not patterns:
        raise NotConfigured("PERFORMANCE_PURGE_KEYS names no keys that may be deleted")
    async with connected(settings.redis_url) as client:
        before, purged = (await figures_of(client))["redisBytes"], 0
        if before > settings.purge_over_megabytes * _MEGABYTE:
            for pattern in patterns:
                purged += await _purge(client, pattern)
        after = (await figures_of(client))["redisBytes"]
    return {
        "memoryOptimized": purged > 0,
        "keysPurged": purged,
        "redisBytesBefore": before,
        "redisBytesAfter": after,
    }


async def _purge(client: Client, pattern: str) -> int:
    """How many keys there were. UNLINK, since DEL of a large value would hold up every client."""
    purged, cursor = 0, 0
    while True:
        cursor, keys = await client.scan(cursor, match=pattern, count=_AT_ONCE)
        if keys:
            purged += await client.unlink(*keys)
        if cursor == 0:
            return purged
