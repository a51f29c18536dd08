"""A database of its own on a real PostgreSQL, with what is easily lost in a backup."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from blocks.operations.backups import Place, place_of
from blocks.settings import load_settings
from blocks.settings.operations.databases import Database
from tests.support.servers.postgres import Postgres

TABLES = {
    "public.orders": 1_000,
    '"Odd Names"."a ""table"""': 3,
    "public.events_2026": 5,
    "public.empty": 0,
    "large objects": 2,
}
"""Of a new shop, with their rows."""


class Shop(msgspec.Struct, frozen=True):
    """A database, and the settings with which it is backed up."""

    postgres: Postgres
    name: str
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return self.environment["DATABASE_URL"]

    def place(self, **changes: str) -> Place:
        return place_of(load_settings(self.environment | changes), lambda line: None)

    @property
    def database(self) -> Database:
        return self.place().databases[0]

    async def query(self, statement: str, database: str | None = None) -> list[Any]:
        """The first column of what it returns."""
        async with self.connection(database) as connection:
            return [row[0] for row in await connection.fetch(statement)]

    async def scratch_databases(self) -> list[str]:
        return await self.query(r"SELECT datname FROM pg_database WHERE datname LIKE 'backup\_%'")

    @asynccontextmanager
    async def connection(self, database: str | None = None) -> AsyncIterator[Any]:
        url = self.postgres.url(database or self.name).replace("+asyncpg", "")
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()


async def a_shop(postgres: Postgres, name: str, data_dir: str) -> Shop:
    """A new database of this name, filled."""
    url = postgres.create_database(name).replace("+asyncpg", "")
    shop = Shop(postgres, name, {"DATABASE_URL": url, "ORCHESTRATOR_DATA_DIR": data_dir})
    async with shop.connection() as connection:
        await connection.execute(_FILLED)
    return shop


_FILLED = """
CREATE TABLE orders (id int PRIMARY KEY, note text);
INSERT INTO orders SELECT number, repeat('x', number % 50) FROM generate_series(1, 1000) number;
CREATE SCHEMA "Odd Names";
CREATE TABLE "Odd Names"."a ""table\""" (value int);
INSERT INTO "Odd Names"."a ""table\""" VALUES (1), (2), (3);
CREATE TABLE events (at date, note text) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO events SELECT '2026-03-01', 'note' FROM generate_series(1, 5);
CREATE TABLE empty ();
CREATE VIEW newest AS SELECT * FROM orders ORDER BY id DESC LIMIT 1;
SELECT lo_create(0), lo_create(0);
"""
