"""The measures of an installation: its machine, PostgreSQL and Redis."""

from pathlib import Path

from blocks.contracts.events import JsonObject
from blocks.operations.performance import redis_server
from blocks.operations.performance.host import measure_host
from blocks.operations.postgres import connected
from blocks.settings import Settings
from blocks.settings.operations.databases import database_at

DATABASE_URL = "operations.performance_optimization.database_url (DATABASE_URL)"

_DATABASE = """
SELECT pg_database_size(current_database()) AS "databaseBytes",
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
           AS "connections",
       current_setting('max_connections')::int AS "connectionsMax",
       (SELECT coalesce(extract(epoch FROM max(now() - xact_start)), 0)::float8
        FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())
           AS "longestTransactionSeconds",
       (SELECT coalesce(sum(n_dead_tup), 0)::int8 FROM pg_stat_user_tables) AS "deadRows",
       (SELECT round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 1)::float8
        FROM pg_stat_database WHERE datname = current_database()) AS "cacheHitPercent"
"""


async def measure(settings: Settings) -> JsonObject:
    """The figures of `measure_host`; of PostgreSQL, if it is configured, `databaseBytes`,
    `connections`, `connectionsMax`, `longestTransactionSeconds`, `deadRows` and `cacheHitPercent`;
    of Redis, if it is, those of `figures_of`. Raises `DatabaseFailed`, `RedisFailed`, `OSError`.
    """
    part = settings.operations.performance_optimization
    measured = await measure_host(Path(settings.data_dir))
    if part.database_url:
        database = database_at(part.database_url, DATABASE_URL)
        async with connected(database, application="performance") as connection:
            measured |= dict(await connection.fetchrow(_DATABASE))
    if part.redis_url:
        async with redis_server.connected(part.redis_url) as client:
            measured |= await redis_server.figures_of(client)
    return measured
