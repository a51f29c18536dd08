"""What the records say, asked so that asking does not slow down what is measured."""

import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from blocks.contracts.records import ExecutionRecord
from blocks.ports import RecordStore
from blocks.queries import every
from blocks.settings import Settings


class Records(Protocol):
    """The executions of some tenants."""

    async def opened(self, tenant_ids: Sequence[str]) -> int:
        """How many there are."""

    async def ended(self, tenant_ids: Sequence[str]) -> int:
        """How many of them have ended, with their end published and confirmed."""

    async def all(self, tenant_ids: Sequence[str]) -> list[ExecutionRecord]: ...


@asynccontextmanager
async def records_of(settings: Settings, store: RecordStore) -> AsyncIterator[Records]:
    file = settings.embedded_file(settings.cosmos_db.endpoint)
    if file is None:
        yield StoredRecords(store)
        return
    with closing(_open(file)) as connection:
        yield FileRecords(connection)


class FileRecords:
    """Reads the embedded store's file directly: two counts over indexes, no lock that a writer
    would wait for.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def opened(self, tenant_ids: Sequence[str]) -> int:
        return self._count("", tenant_ids)

    async def ended(self, tenant_ids: Sequence[str]) -> int:
        unannounced = self._count("AND json_extract(body, '$.announcedAt') IS NULL", tenant_ids)
        return await self.opened(tenant_ids) - unannounced

    async def all(self, tenant_ids: Sequence[str]) -> list[ExecutionRecord]:
        sql = "SELECT body FROM workflow_executions WHERE tenant_id = ? AND kind = 'execution'"
        rows = [
            row for tenant_id in tenant_ids for row in self._connection.execute(sql, (tenant_id,))
        ]
        return [msgspec.json.decode(body, type=ExecutionRecord) for (body,) in rows]

    def _count(self, condition: str, tenant_ids: Sequence[str]) -> int:
        sql = (
            "SELECT count(*) FROM workflow_executions WHERE tenant_id = ? AND kind = "
            f"'execution' {condition}"
        )
        return sum(
            self._connection.execute(sql, (tenant_id,)).fetchone()[0] for tenant_id in tenant_ids
        )


class StoredRecords:
    """Asks the store, which reads whole records; looks at most once a second."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._seen: list[ExecutionRecord] = []
        self._looked_at = 0.0

    async def opened(self, tenant_ids: Sequence[str]) -> int:
        return len(await self._recent(tenant_ids))

    async def ended(self, tenant_ids: Sequence[str]) -> int:
        return sum(1 for record in await self._recent(tenant_ids) if record.announced_at)

    async def all(self, tenant_ids: Sequence[str]) -> list[ExecutionRecord]:
        return [
            stored.record
            for tenant_id in tenant_ids
            async for stored in every(self._store, tenant_id, ExecutionRecord)
        ]

    async def _recent(self, tenant_ids: Sequence[str]) -> list[ExecutionRecord]:
        if time.monotonic() - self._looked_at > 1:
            self._seen = await self.all(tenant_ids)
            self._looked_at = time.monotonic()
        return self._seen


def last_announced(records: Sequence[ExecutionRecord]) -> float:
    """When the last of them was announced, in seconds since 1970."""
    return max(_seconds(record.announced_at) for record in records)


def _seconds(moment: datetime | None) -> float:
    assert moment, "it has not ended"
    return moment.timestamp()


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)
