"""A connection to the Redis server of the settings, and its figures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from blocks.contracts.events import JsonObject

CALL_SECONDS = 10.0

Client = Any  # its calls are typed for both of its clients at once


class RedisFailed(Exception):
    """The server could not be reached, or did not do what it was asked."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """A client that lasts as long as the block. Raises `RedisFailed`, also for what the block's
    calls raise.
    """
    try:
        client: Client = Redis.from_url(
            url,
            socket_timeout=CALL_SECONDS,
            socket_connect_timeout=CALL_SECONDS,
            client_name="workflow-orchestrator",
        )
        async with client:
            yield client
    except (RedisError, OSError, ValueError) as error:
        raise RedisFailed(f"REDIS_URL: {type(error).__name__}: {error}") from error


async def figures_of(client: Client) -> JsonObject:
    """`redisBytes` in use, `redisLimitBytes` (0: none), `redisKeys` of the database of the URL,
    `redisHitPercent` since the server's start, and `redisEvicted` keys.
    """
    info = await client.info()
    keys = await client.dbsize()
    hits, misses = info["keyspace_hits"], info["keyspace_misses"]
    return {
        "redisBytes": info["used_memory"],
        "redisLimitBytes": info["maxmemory"],
        "redisKeys": keys,
        "redisHitPercent": round(100 * hits / (hits + misses), 1) if hits + misses else None,
        "redisEvicted": info["evicted_keys"],
    }
