"""The connection to the platform's PostgreSQL."""

import asyncio
from time import perf_counter

from blocks.contracts.events import JsonObject
from blocks.observability.plain_text import shortened
from blocks.observability.redaction import redacted
from blocks.operations.postgres import DatabaseFailed, connected
from blocks.operations.work import NotConfigured
from blocks.settings.operations import HealthMonitoring
from blocks.settings.operations.databases import database_at

DATABASE_URL = "operations.health_monitoring.database_url (DATABASE_URL)"

_NAME = "health-monitoring"
_ERROR_LENGTH = 200
_CONNECTIONS = """
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
           current_setting('max_connections')::int AS most
"""


async def check_database(settings: HealthMonitoring) -> JsonObject:
    """A connection was made and a query answered, or it is known why not.

    Returns `databaseHealthy`, `responseTime` in milliseconds, and `connectionPool` (the server's
    connections: `used` of `max`) or `databaseError`. Raises `NotConfigured`.
    """
    if not settings.database_url:
        raise NotConfigured("DATABASE_URL is not set")
    began = perf_counter()
    try:
        async with asyncio.timeout(settings.call_seconds):
            found = await _asked(settings.database_url, settings.call_seconds)
    except TimeoutError:
        found = {"databaseError": f"no answer within {settings.call_seconds:g} s"}
    except DatabaseFailed as error:
        found = {"databaseError": shortened(redacted(str(error)), _ERROR_LENGTH)}
    return {
        "databaseHealthy": "databaseError" not in found,
        "responseTime": round((perf_counter() - began) * 1000),
        **found,
    }


async def _asked(url: str, limit_seconds: float) -> JsonObject:
    database = database_at(url, DATABASE_URL)
    async with connected(database, application=_NAME, seconds=limit_seconds) as connection:
        row = await connection.fetchrow(_CONNECTIONS)
    return {"connectionPool": {"used": row["used"], "max": row["most"]}}
