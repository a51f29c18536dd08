"""VACUUM and ANALYZE of the tables that the settings allow, when they have many dead rows."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

import asyncpg
import msgspec

from blocks.contracts.events import JsonObject
from blocks.operations.performance.measuring import DATABASE_URL
from blocks.operations.postgres import Connection, connected
from blocks.operations.work import NotConfigured
from blocks.settings.auth import words
from blocks.settings.operations import PerformanceOptimization
from blocks.settings.operations.databases import database_at

TABLE_SECONDS = 1500.0
"""So long one table may take."""

_TABLE = """
SELECT format('%I.%I', schemaname, relname) AS name, n_live_tup AS live, n_dead_tup AS dead,
       pg_total_relation_size(relid) AS bytes
FROM pg_stat_user_tables WHERE relid = to_regclass($1)
"""


class TablesFailed(Exception):
    """Some tables could not be vacuumed; the others were."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{table}: {reason}" for table, reason in reasons.items()))


class Vacuumed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    table: str
    dead_rows_before: int
    dead_rows_after: int
    bytes_before: int
    bytes_after: int
    seconds: float


async def vacuum(settings: PerformanceOptimization) -> JsonObject:
    """Each of the tables with too many dead rows is vacuumed and analysed, and no other.

    Returns `dbOptimized`, `tablesChecked`, `tablesVacuumed`, `deadRowsBefore`, `deadRowsAfter` and
    `tables`, figures of each that was. Raises `NotConfigured`, `DatabaseFailed`, and `TablesFailed`
    when the others are done.
    """
    names = words(settings.vacuum_tables)
    if not settings.database_url:
        raise NotConfigured("DATABASE_URL names no database")
    if not names:
        raise NotConfigured("PERFORMANCE_VACUUM_TABLES names no tables that may be vacuumed")
    database = database_at(settings.database_url, DATABASE_URL)
    done, errors = list[Vacuumed](), dict[str, str]()
    async with connected(database, application="vacuum", seconds=TABLE_SECONDS) as connection:
        for name in names:
            try:
                done += await _vacuum_if_needed(connection, name, settings.vacuum_over_percent)
            except (_Refused, asyncpg.PostgresError) as error:
                errors[name] = str(error)
    if errors:
        raise TablesFailed(errors)
    return {
        "dbOptimized": bool(done),
        "tablesChecked": len(names),
        "tablesVacuumed": len(done),
        "deadRowsBefore": sum(one.dead_rows_before for one in done),
        "deadRowsAfter": sum(one.dead_rows_after for one in done),
        "tables": msgspec.to_builtins(done),
    }


class _Refused(Exception):
    """The table was left as it is."""


async def _vacuum_if_needed(
    connection: Connection, name: str, over_percent: float
) -> list[Vacuumed]:
    before = await _figures(connection, name)
    rows = before["live"] + before["dead"]
    if not before["dead"] or 100 * before["dead"] <= over_percent * rows:
        return []
    began = monotonic()
    await _run(connection, f"VACUUM (ANALYZE) {before['name']}")
    after = await _figures(connection, name)
    vacuumed = Vacuumed(
        table=before["name"],
        dead_rows_before=before["dead"],
        dead_rows_after=after["dead"],
        bytes_before=before["bytes"],
        bytes_after=after["bytes"],
        seconds=round(monotonic() - began, 3),
    )
    return [vacuumed]


async def _figures(connection: Connection, name: str) -> Any:
    """Raises `_Refused` when the database has no such table."""
    figures = await connection.fetchrow(_TABLE, name)
    if figures is None:
        raise _Refused("there is no such table")
    return figures


async def _run(connection: Connection, statement: str) -> None:
    """Raises `_Refused`: of a table that another role owns, PostgreSQL only warns, and skips it."""
    warnings: list[str] = []

    def on_log(_: Connection, message: Any) -> None:
        if message.severity_en == "WARNING":
            warnings.append(message.message)

    connection.add_log_listener(on_log)
    try:
        await connection.execute(statement)
    finally:
        connection.remove_log_listener(on_log)
    if warnings:
        raise _Refused("; ".join(warnings))
