"""Two Prefect servers with the Redis and the PostgreSQL that they share, each to be taken away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tests.support.operations.redis_server import RedisServer
from tests.support.scale.prefect_servers import PrefectServers
from tests.support.servers.postgres import Postgres
from tests.support.servers.tcp_proxy import TcpProxy


class SharedParts(msgspec.Struct, frozen=True):
    """Two servers and what they share."""

    servers: PrefectServers
    postgres: Postgres
    redis: RedisServer
    link: TcpProxy
    """Between the servers and Redis."""


Act = Callable[[SharedParts], None]

OUTAGES: dict[str, tuple[Act, Act]] = {
    "Redis killed": (lambda parts: parts.redis.kill(), lambda parts: parts.redis.start()),
    "Redis hangs": (lambda parts: parts.redis.freeze(), lambda parts: parts.redis.thaw()),
    "Redis's connections lost": (lambda parts: parts.link.forget(), lambda parts: None),
    "PostgreSQL killed": (
        lambda parts: parts.postgres.kill(),
        lambda parts: parts.postgres.start(),
    ),
    "PostgreSQL hangs": (
        lambda parts: parts.postgres.freeze(),
        lambda parts: parts.postgres.thaw(),
    ),
}
"""How each begins and ends."""


@asynccontextmanager
async def shared_parts(folder: Path) -> AsyncIterator[SharedParts]:
    """Two servers at work; Redis and PostgreSQL write to disk, as in compose.yaml."""
    (redis_folder := folder / "redis").mkdir()
    redis = RedisServer("--appendonly", "yes", "--dir", str(redis_folder))
    postgres, servers = Postgres(), None
    with TcpProxy(redis.url) as link:
        try:
            await asyncio.to_thread(redis.start)
            await asyncio.to_thread(postgres.start)
            database = postgres.create_database("prefect")
            servers = PrefectServers(folder / "servers", database, link)
            await asyncio.to_thread(servers.start)
            yield SharedParts(servers, postgres, redis, link)
        finally:
            if servers:
                await asyncio.to_thread(servers.close)
            postgres.close()
            redis.kill()
