"""Performance measured and optimized on a real PostgreSQL and a real Redis: nothing is touched but
what the settings name.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from blocks.contracts.operations.catalogue import PERFORMANCE_OPTIMIZATION
from blocks.operations import performance
from blocks.operations.performance import TablesFailed
from blocks.operations.performance.purging import purge
from blocks.settings import load_settings
from blocks.settings.operations import PerformanceOptimization
from tests.support.operations.prefect_runs import artifacts_of, run_by_hand
from tests.support.operations.redis_server import RedisServer
from tests.support.servers.postgres import Postgres
from tests.support.servers.prefect_server import PrefectServer
from tests.support.system.orchestra import Orchestra, whole_orchestra


def settings_of(**variables: str) -> PerformanceOptimization:
    return load_settings(variables).operations.performance_optimization


# --- PostgreSQL -----------------------------------------------------------------------------------

# Two tables whose rows were changed once, which leaves as many dead ones, and which the server
# itself does not clean.
TABLES = """
CREATE TABLE orders (id int, note text) WITH (autovacuum_enabled = false);
CREATE SCHEMA "Odd";
CREATE TABLE "Odd"."a Table" (id int) WITH (autovacuum_enabled = false);
INSERT INTO orders SELECT number, 'new' FROM generate_series(1, 1000) number;
INSERT INTO "Odd"."a Table" SELECT generate_series(1, 100);
UPDATE orders SET note = 'changed';
UPDATE "Odd"."a Table" SET id = id + 1;
"""


@pytest.fixture
def database_url(postgres: Postgres) -> str:
    name = f"performance_{secrets.token_hex(4)}"
    return postgres.create_database(name).replace("+asyncpg", "")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Any]:
    async with connected(database_url) as connection:
        await connection.execute(TABLES)
        await connection.execute("SELECT pg_stat_force_next_flush()")
        yield connection


@asynccontextmanager
async def connected(url: str, **options: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url, **options)
    try:
        yield connection
    finally:
        await connection.close()


async def dead_rows(database: Any) -> dict[str, int]:
    rows = await database.fetch("SELECT relname, n_dead_tup FROM pg_stat_user_tables")
    return {row["relname"]: row["n_dead_tup"] for row in rows}


async def test_only_the_tables_of_the_settings_are_vacuumed(
    database: Any, database_url: str
) -> None:
    settings = settings_of(DATABASE_URL=database_url, PERFORMANCE_VACUUM_TABLES="public.orders")

    result = await performance.vacuum(settings)

    assert (True, 1, 1000, 0) == (
        result["dbOptimized"],
        result["tablesVacuumed"],
        result["deadRowsBefore"],
        result["deadRowsAfter"],
    )
    assert ["public.orders"] == [table["table"] for table in result["tables"]]
    assert {"orders": 0, "a Table": 100} == await dead_rows(database)
    analyzed = "SELECT last_analyze FROM pg_stat_user_tables WHERE relname = 'orders'"
    assert await database.fetchval(analyzed)


async def test_a_table_with_few_dead_rows_is_left(database: Any, database_url: str) -> None:
    settings = settings_of(
        DATABASE_URL=database_url,
        PERFORMANCE_VACUUM_TABLES='public.orders, "Odd"."a Table"',
        PERFORMANCE_VACUUM_OVER_PERCENT="50",
    )

    result = await performance.vacuum(settings)

    assert (False, 2, 0) == (
        result["dbOptimized"],
        result["tablesChecked"],
        result["tablesVacuumed"],
    )
    assert {"orders": 1000, "a Table": 100} == await dead_rows(database)


async def test_tables_that_cannot_be_vacuumed_are_named_and_the_others_are_done(
    database: Any, database_url: str
) -> None:
    user = f"clerk_{secrets.token_hex(4)}"
    await database.execute(f"""
        CREATE ROLE {user} LOGIN;
        ALTER TABLE orders OWNER TO {user};
        GRANT USAGE ON SCHEMA "Odd" TO {user};
    """)
    named = '"Odd"."a Table",public.missing,public.orders'
    settings = settings_of(
        DATABASE_URL=database_url.replace("//postgres:", f"//{user}:"),
        PERFORMANCE_VACUUM_TABLES=named,
    )

    with pytest.raises(TablesFailed) as failure:
        await performance.vacuum(settings)

    odd, missing = str(failure.value).split("; ")
    assert odd.startswith('"Odd"."a Table": ')
    assert "skipping" in odd
    assert "public.missing: there is no such table" == missing
    assert {"orders": 0, "a Table": 100} == await dead_rows(database)
    await database.execute(f"ALTER TABLE orders OWNER TO postgres; DROP OWNED BY {user}")
    await database.execute(f"DROP ROLE {user}")


# --- Redis ----------------------------------------------------------------------------------------


@pytest.fixture
async def cache(redis_server: RedisServer) -> AsyncIterator[Any]:
    async with Redis.from_url(redis_server.url, decode_responses=True) as client:
        cache: Any = client
        await cache.flushall()
        await cache.mset({f"cache:{number}": "x" * 1000 for number in range(1200)})
        await cache.mset({"session:1": "ann", "cached": "not ours", "cache": "neither"})
        yield cache


def of_redis(server: RedisServer, **variables: str) -> PerformanceOptimization:
    return settings_of(
        REDIS_URL=server.url,
        **{"PERFORMANCE_PURGE_KEYS": "cache:*", "PERFORMANCE_PURGE_OVER_MEGABYTES": "0"}
        | variables,
    )


async def test_only_the_keys_of_the_settings_are_deleted(
    cache: Any, redis_server: RedisServer
) -> None:
    result = await purge(of_redis(redis_server))

    assert (True, 1200) == (result["memoryOptimized"], result["keysPurged"])
    assert {"session:1", "cached", "cache"} == set(await cache.keys("*"))
    assert result["redisBytesBefore"] > 1_200_000


async def test_below_the_limit_no_key_is_deleted(cache: Any, redis_server: RedisServer) -> None:
    settings = of_redis(redis_server, PERFORMANCE_PURGE_OVER_MEGABYTES="500")

    result = await purge(settings)

    assert (False, 0) == (result["memoryOptimized"], result["keysPurged"])
    assert 1203 == await cache.dbsize()


# --- both -----------------------------------------------------------------------------------------


async def test_measuring_changes_nothing(
    database: Any, database_url: str, cache: Any, redis_server: RedisServer, tmp_path: Path
) -> None:
    settings = load_settings(
        {
            "ORCHESTRATOR_DATA_DIR": str(tmp_path),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_server.url,
        }
    )

    measured = await performance.measure(settings)

    assert 1100 == measured["deadRows"]
    assert measured["databaseBytes"] > 1_000_000
    assert 1 <= measured["connections"] <= measured["connectionsMax"]
    assert 1203 == measured["redisKeys"]
    assert {"orders": 1000, "a Table": 100} == await dead_rows(database)


# --- in Prefect -----------------------------------------------------------------------------------


@pytest.fixture
async def parts(
    tmp_path: Path, prefect_server: PrefectServer, database: Any, database_url: str
) -> AsyncIterator[Orchestra]:
    async with whole_orchestra(
        tmp_path,
        prefect_server,
        DATABASE_URL=database_url,
        PERFORMANCE_VACUUM_TABLES="public.orders",
        PREFECT_WORKER_QUERY_SECONDS="0.5",
    ) as parts:
        yield parts


@pytest.mark.long
async def test_a_run_shows_what_was_measured_and_done_and_why_a_step_was_skipped(
    parts: Orchestra,
) -> None:
    parts.worker.start()

    execution = await run_by_hand(parts, PERFORMANCE_OPTIMIZATION)

    results = execution.results or {}
    assert "completed" == execution.status
    assert 1100 == results["analyze-metrics"]["deadRows"]
    assert "REDIS_URL names no Redis" == results["optimize-memory"]["reason"]
    assert 1000 == results["optimize-db"]["deadRowsBefore"]
    # of the table of what was vacuumed: the page of the run has only sums
    assert any("bytes after" in one for one in await artifacts_of(parts, execution))
